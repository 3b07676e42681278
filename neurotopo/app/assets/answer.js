/* The answer, the wrong answers and the next words, before and after the edits. */

const BAR = 160; // width of the bars, of a box that fits into its cell
const MOST_WORDS = 8;

/** Write a probability as a percentage. */
function percent(probability) {
  const value = 100 * probability;
  const text = value && value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return `${text}\u00a0%`;
}

/** Show answers: `edited` is null without edits. */
function showAnswer(element, base, edited) {
  const now = edited || base;
  const table = make("table", "nta-table nta-answer");
  const body = table.createTBody();
  const head = (text) => {
    const cell = make("th", "nta-group", text);
    cell.colSpan = 3;
    cell.scope = "rowgroup";
    body.insertRow().append(cell);
  };
  const line = (text, before, after, kind) => {
    const row = body.insertRow();
    const name = make("th", "nta-text", text);
    name.scope = "row";
    const bar = make("td", "nta-bar");
    const svg = draw("svg", { viewBox: `0 0 ${BAR} 12`, preserveAspectRatio: "none", "aria-hidden": "true" }, bar);
    draw("rect", { x: 0, y: 0, width: BAR, height: 12, class: "nta-rail" }, svg);
    draw("rect", { x: 0, y: 2, width: BAR * after, height: 8, class: `nta-fill nta-${kind}` }, svg);
    if (edited) draw("line", { x1: BAR * before, x2: BAR * before, y1: 0, y2: 12, class: "nta-before" }, svg);
    const number = edited ? `${percent(before)} \u2192 ${percent(after)}` : percent(after);
    row.append(name, bar, make("td", "nta-number", number));
  };
  head("Answer");
  line(base.answer, base.probability, now.probability, "right");
  if (base.foils.length) head("Wrong answers");
  base.foils.forEach((foil, k) => line(foil.text, foil.probability, now.foils[k].probability, "wrong"));
  head("Next words");
  const before = new Map(base.words.map((word) => [word.token, word.probability]));
  const words = now.words.slice().sort((a, b) => b.probability - a.probability);
  for (const word of words.slice(0, MOST_WORDS)) {
    const known = before.get(word.token);
    line(shownWord(word.text), known === undefined ? word.probability : known, word.probability, "word");
  }
  element.replaceChildren(table);
}

/** Show a token: spaces at its ends are left out, those that are all of it are named. */
function shownWord(text) {
  return text.trim() || JSON.stringify(text);
}
