/* The elements of the explorer. */

/** Make the elements of an explorer and return them; what they hold comes with the data. */
function buildParts(element, prefix, heading) {
  const parts = {};
  element.replaceChildren();
  element.classList.add("ntx");
  const level = (more) => "h" + Math.min(heading + more, 6);
  const add = (parent, tag, className, text) => {
    const child = make(tag, className, text);
    parent.appendChild(child);
    return child;
  };
  parts.title = add(element, level(0), "ntx-title");
  parts.about = add(element, "dl", "ntx-about");

  parts.sliceLine = add(element, "div", "ntx-line ntx-slices");
  parts.sliceName = add(parts.sliceLine, "label", "ntx-name");
  parts.sliceName.htmlFor = `${prefix}-slice`;
  parts.sliceSlider = add(parts.sliceLine, "input", "ntx-slice");
  Object.assign(parts.sliceSlider, { id: `${prefix}-slice`, type: "range", min: 0, step: 1 });
  const controls = add(element, "div", "ntx-controls");
  controls.setAttribute("role", "group");
  controls.setAttribute("aria-label", "Radius");
  const line = add(controls, "div", "ntx-line");
  const name = add(line, "label", "ntx-name", "R = ");
  name.htmlFor = `${prefix}-radius`;
  parts.value = add(name, "output", "ntx-value");
  parts.slider = add(line, "input", "ntx-slider");
  Object.assign(parts.slider, { id: `${prefix}-radius`, type: "range", min: 0, max: STEPS, step: 1 });
  const buttons = add(line, "div", "ntx-buttons");
  const button = (text, label) => {
    const made = add(buttons, "button", "ntx-button");
    made.type = "button";
    // where there is little room only the arrows are left
    for (const word of text.split(" ")) add(made, "span", word === "merge" ? "ntx-word" : "", word);
    made.title = label;
    made.setAttribute("aria-label", label);
    return made;
  };
  parts.before = button("\u25c0\ufe0e merge", "Back to the merge before");
  parts.after = button("merge \u25b6\ufe0e", "On to the next merge");
  parts.play = button("Grow", "Let the clusters grow");
  parts.now = add(controls, "p", "ntx-now");
  parts.now.setAttribute("aria-live", "polite");
  const choices = add(element, "div", "ntx-choices");
  parts.modes = buildChoice(choices, prefix, "Colours", "mode", [
    ["radius", "clusters at R"],
    ["chosen", "chosen clusters"],
  ]);
  parts.scales = buildChoice(choices, prefix, "Radii", "scale", [
    ["linear", "linear"],
    ["log", "logarithmic"],
  ]);

  const panels = add(element, "div", "ntx-panels");
  const left = add(panels, "section", "ntx-left");
  parts.leftHead = add(left, level(1), "ntx-head");
  parts.canvas = add(left, "canvas", "ntx-canvas");
  parts.canvas.setAttribute("role", "img");
  parts.legend = add(left, "ul", "ntx-legend");
  parts.legend.setAttribute("aria-label", "Largest clusters");
  parts.detail = add(left, "p", "ntx-detail");
  const right = add(panels, "div", "ntx-right");
  const chart = (text, hint, label) => {
    const section = add(right, "section", "ntx-chart");
    add(section, level(1), "ntx-head", text);
    const note = add(section, "p", "ntx-hint", hint);
    const svg = draw("svg", { class: "ntx-svg", role: "img", "aria-label": label }, section);
    return [svg, note];
  };
  [parts.diagram] = chart(
    "Persistence diagram",
    "Every cluster by its birth and its death. Those alive at R lie in the shaded corner.",
    "Persistence diagram; the barcode below holds the same clusters for the keyboard."
  );
  [parts.barcode, parts.barHint] = chart("Barcode", "", "Barcode: clusters in order of birth");

  parts.below = add(element, "section", "ntx-below");
  add(parts.below, level(1), "ntx-head", "Chosen clusters");
  parts.tableNote = add(parts.below, "p", "ntx-hint");
  const scroll = add(parts.below, "div", "ntx-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Chosen clusters");
  parts.table = add(scroll, "table", "ntx-table");
  parts.notes = add(element, "ul", "ntx-notes");
  return parts;
}

/** Make a group of radio buttons. */
function buildChoice(parent, prefix, legend, name, options) {
  const field = make("fieldset", "ntx-choice");
  field.appendChild(make("legend", "", legend));
  const inputs = {};
  for (const [value, text] of options) {
    const label = make("label");
    const input = make("input");
    Object.assign(input, { type: "radio", name: `${prefix}-${name}`, value });
    label.append(input, document.createTextNode(text));
    field.appendChild(label);
    inputs[value] = input;
  }
  parent.appendChild(field);
  return { field, inputs };
}
