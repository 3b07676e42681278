/* Texts about the clusters. */

const MOST_KEYS = 8;
const MOST_NAMED = 6;

function upperFirst(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/** Name the largest of the colours shown; entries are `[number, samples, name]`. */
function legendItems(entries, mode, data) {
  const sorted = entries.slice().sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const items = sorted.slice(0, MOST_KEYS).map(([number, size, name]) => {
    const item = make("li");
    const key = draw("svg", { width: 16, height: 16, "aria-hidden": "true" }, item);
    draw("path", { d: shapePath(shapeOf(number), 8, 8, 5), fill: colorOf(number), class: "ntx-key" }, key);
    item.appendChild(make("span", "", name + countedOf(data, size)));
    return item;
  });
  const rest = sorted.length - items.length;
  if (rest > 0) items.push(make("li", "", `and ${counted(rest, "other", "others")}`));
  const none = mode === "chosen" ? `no ${chosenName(data)}` : `only single ${data.unit[1]}`;
  return sorted.length ? items : [make("li", "", none)];
}

/** Describe the highlighted cluster, null for none. */
function detailText(lit, data, nameOf, kept) {
  if (!lit) return `Point at a ${data.unit[0]}, a bar or a point of the diagram to see its cluster.`;
  const sample = lit.sample === undefined ? null : nameOf(lit.sample);
  if (sample !== null && lit.birth === undefined) return `${upperFirst(data.unit[0])} ${sample} is single at this radius.`;
  const chosen = lit.bar >= 0 ? data.bars.chosen[lit.bar] : -1;
  const kind = chosen >= 0 ? `${chosenName(data)} ${chosen}` : "cluster";
  return [
    sample === null ? upperFirst(kind) : `${upperFirst(data.unit[0])} ${sample}, in the ${kind}`,
    ` of ${countedOf(data, lit.size)}: born at ${radiusText(lit.birth)}, `,
    lit.death === null ? "never dies" : `dies at ${radiusText(lit.death)}`,
    lit.bar < 0 ? "" : `, persistence ${radiusText(data.bars.persistence[lit.bar])}`,
    `. Members: ${memberText(lit, data, nameOf, MOST_NAMED)}.`,
    kept ? " (Kept; Escape releases it.)" : "",
  ].join("");
}

/** Describe which clusters the barcode shows, and how to use it. */
function barText(data, shown) {
  const help = "Point at a bar, or move with Tab and the arrow keys; Enter keeps it, Escape releases it.";
  if (!data.n_bars) return `There is no cluster of two or more ${data.unit[1]}.`;
  if (data.n_bars <= shown) return help;
  const first = data.chosen === null ? "" : ", chosen ones first";
  return `The ${shown} most persistent of ${data.n_bars.toLocaleString("en")} clusters${first}. ${help}`;
}
