/* Elements and words that every part needs. */

/** Make an HTML element; what comes from data is text and nothing else. */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Make an SVG element with attributes. */
function draw(tag, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name of Object.keys(attributes)) element.setAttribute(name, attributes[name]);
  if (parent) parent.appendChild(element);
  return element;
}

function counted(n, one, many) {
  return n.toLocaleString("en") + " " + (n === 1 ? one : many);
}

/** Name what the colours of chosen clusters stand for. */
function chosenName(data) {
  return data.chosen_name || "chosen cluster";
}

/** Count the samples of a clustering by the name they have there. */
function countedOf(data, n) {
  return counted(n, data.unit[0], data.unit[1]);
}
