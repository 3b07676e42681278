/* The lattice of subsets: every subset of components suppressed. */

const CELL = 58; // pixels between neighbours, and twice that between rows
const ROW = 84;

/** Describe rho in words. */
function rhoText(found) {
  if (found.rho === null) return "rho is undefined: all components together do not change the score.";
  const rho = Number(found.rho.toPrecision(3));
  const sense = Math.abs(found.rho) < 0.1
    ? "the effects of the components add up"
    : found.rho > 0 ? "the components replace each other" : "the components need each other";
  return `rho = ${rho}: ${sense}.`;
}

/** Draw the lattice. `names` are those of the groups; `pick(subset)` is called for a node. */
function showLattice(element, found, names, pick) {
  const n = names.length;
  const rows = Array.from({ length: n + 1 }, () => []);
  rows[0].push({ subset: [], score: found.base });
  found.subsets.forEach((subset, k) => rows[subset.length].push({ subset, score: found.scores[k] }));
  const widest = Math.max(...rows.map((row) => row.length));
  const width = Math.max(widest * CELL, 260);
  const height = rows.length * ROW;
  const scroll = make("div", "nta-scroll nta-lattice");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Lattice of subsets");
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group" }, scroll);
  svg.setAttribute("aria-label", "Every subset of the components, suppressed");
  const at = new Map();
  rows.forEach((row, size) => row.forEach((node, k) => {
    node.x = (width * (k + 0.5)) / row.length;
    node.y = ROW * (size + 0.42);
    at.set(node.subset.join(), node);
  }));
  for (const node of at.values()) {
    for (const left of node.subset) {
      const below = at.get(node.subset.filter((k) => k !== left).join());
      draw("line", { x1: node.x, y1: node.y, x2: below.x, y2: below.y, class: "nta-edge" }, svg);
    }
  }
  const scores = Array.from(at.values(), (node) => node.score);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  for (const node of at.values()) {
    const share = high > low ? (node.score - low) / (high - low) : 1;
    const label = node.subset.length ? node.subset.map((k) => names[k]).join(" ") : "none";
    const shown = found.score === "probability" ? percent(node.score) : String(Number(node.score.toPrecision(3)));
    const group = draw("g", { class: "nta-node", role: "button", tabindex: 0 }, svg);
    group.setAttribute("aria-label", `Suppress ${label}: ${found.score} ${shown}`);
    draw("circle", { cx: node.x, cy: node.y, r: 17, class: "nta-disc" }, group);
    draw("circle", { cx: node.x, cy: node.y, r: 17, class: "nta-score", "fill-opacity": 0.08 + 0.72 * share }, group);
    const text = (y, content, className) => {
      draw("text", { x: node.x, y, "text-anchor": "middle", class: `ntx-text ${className}` }, group).textContent = content;
    };
    text(node.y + 4, shortLabel(node.subset, names), "nta-label");
    text(node.y + 31, shown.replace("\u00a0", ""), "nta-small");
    group.addEventListener("click", () => pick(node.subset));
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick(node.subset);
    });
  }
  const table = make("table", "nta-table");
  const head = table.createTHead().insertRow();
  for (const text of ["component", "fall alone", "Shapley value"]) {
    const cell = make("th", "", text);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  names.forEach((name, k) => {
    const row = body.insertRow();
    const first = make("th", "", name);
    first.scope = "row";
    row.append(first, make("td", "", short(found.effects[k])), make("td", "", short(found.shapley[k])));
  });
  const all = body.insertRow();
  all.append(make("th", "", "all together"), make("td", "", short(found.necessity)), make("td"));
  const said = make("p", "nta-rho", rhoText(found));
  const hint = make("p", "nta-hint", "Each circle is a subset that is suppressed; darker is a higher score. A click suppresses it.");
  element.replaceChildren(said, hint, scroll, table);
}

function short(value) {
  return value === null ? "" : String(Number(value.toPrecision(3)));
}

/** Return what fits into a circle. */
function shortLabel(subset, names) {
  const text = subset.map((k) => names[k]).join(" ");
  if (!subset.length) return "\u2205";
  return text.length <= 5 ? text : subset.length === names.length ? "all" : `${subset.length} of ${names.length}`;
}
