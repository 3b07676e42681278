/* Tables that are sorted by their headings, and filtered where they are long. */

const FEWEST_TO_FILTER = 12;
const NOTHING_THERE = "\u2013";

/** Return what a cell is sorted by; null for one without a value. */
function sortValue(text, number) {
  const shown = text.trim();
  if (shown === "" || shown === NOTHING_THERE) return null;
  if (!number) return shown;
  const infinite = { "\u221e": Infinity, "-\u221e": -Infinity }[shown];
  if (infinite !== undefined) return infinite;
  const below = shown.startsWith("<"); // "< 1e-300"
  const value = Number(shown.replace(/[<,%\s]/g, ""));
  if (Number.isNaN(value)) return null;
  return below ? value / 2 : value;
}

/** Compare two values; those that are not there come last in either direction. */
function compareValues(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
  return a === b ? 0 : a < b ? -sign : sign;
}

class SortedTable {
  constructor(table) {
    this.body = table.tBodies[0];
    this.rows = Array.from(this.body.rows);
    this.heads = Array.from(table.tHead.rows[0].cells);
    this.column = -1;
    this.sign = 1;
    this.signs = this.heads.map((head, column) => {
      const button = make("button", "sort");
      button.type = "button";
      button.append(...head.childNodes);
      const sign = make("span", "sign");
      sign.setAttribute("aria-hidden", "true");
      button.appendChild(sign);
      head.appendChild(button);
      button.addEventListener("click", () => this.sortBy(column));
      return sign;
    });
    this.render();
  }

  /** Sort upwards, a second time downwards, a third time as it was. */
  sortBy(column) {
    if (this.column !== column) [this.column, this.sign] = [column, 1];
    else if (this.sign > 0) this.sign = -1;
    else this.column = -1;
    this.render();
  }

  render() {
    const { column, sign } = this;
    let order = this.rows;
    if (column >= 0) {
      const number = this.heads[column].classList.contains("right");
      const values = this.rows.map((row, at) => [sortValue(row.cells[column].textContent, number), at]);
      values.sort((a, b) => compareValues(a[0], b[0], sign) || a[1] - b[1]);
      order = values.map(([, at]) => this.rows[at]);
    }
    if (order.some((row, at) => row !== this.body.rows[at])) this.body.append(...order);
    this.heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
      this.signs[at].textContent = at !== column ? "\u2195\ufe0e" : sign > 0 ? "\u25b2" : "\u25bc";
    });
  }

  /** Show only the rows that hold all the words; returns how many. */
  filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const row of this.rows) {
      const said = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => said.includes(word));
      n += row.hidden ? 0 : 1;
    }
    return n;
  }
}

/** Make a field to type into, with its name before it. */
function searchField(parent, text) {
  const name = make("label", "search", text);
  const input = make("input");
  input.type = "search";
  input.autocomplete = "off";
  input.spellcheck = false;
  name.appendChild(input);
  parent.appendChild(name);
  return input;
}

/** Let all tables of the page that have headings be sorted, and the long ones be filtered. */
function enhanceTables(root) {
  for (const table of root.querySelectorAll(".scroll > table:not(.pairs)")) {
    if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
    const sorted = new SortedTable(table);
    if (sorted.rows.length < FEWEST_TO_FILTER) continue;
    const line = make("div", "filter");
    const input = searchField(line, "Filter");
    const count = make("output", "soft");
    count.setAttribute("aria-live", "polite");
    line.appendChild(count);
    input.addEventListener("input", () => {
      const n = sorted.filter(input.value);
      count.textContent = input.value.trim() ? `${n} of ${counted(sorted.rows.length, "row", "rows")}` : "";
    });
    table.parentNode.before(line);
  }
}

enhanceTables(document);
