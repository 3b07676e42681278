/* The table of the chosen clusters, sorted by any column. */

const MOST_MEMBERS = 8;

class ChosenTable {
  constructor(table, events, nameOf) {
    this.table = table;
    this.events = events;
    this.nameOf = nameOf;
  }

  show(data) {
    this.data = data;
    this.rows = data.chosen;
    this.columns = [["id", "cluster"], ["size", data.unit[1]]];
    for (const name of ["birth", "death", "persistence"]) this.columns.push([name, name]);
    if (data.remark !== null) this.columns.push(["remark", data.remark]);
    this.sorted = "id";
    this.falling = false;
    this.render();
  }

  render() {
    const { table } = this;
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const [key, name] of this.columns) {
      const cell = make("th");
      cell.scope = "col";
      const sort = key === this.sorted ? (this.falling ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", sort);
      const sign = sort === "none" ? "" : this.falling ? " \u25bc" : " \u25b2";
      const button = make("button", "ntx-sort", name + sign);
      button.type = "button";
      button.addEventListener("click", () => this.sortBy(key));
      cell.appendChild(button);
      head.appendChild(cell);
    }
    const members = make("th", "ntx-members", "members");
    members.scope = "col";
    head.appendChild(members);
    const body = table.createTBody();
    for (const row of this.ordered()) this.renderRow(body.insertRow(), row);
  }

  renderRow(line, row) {
    const first = make("th");
    first.scope = "row";
    const button = make("button", "ntx-pick");
    button.type = "button";
    const key = draw("svg", { width: 14, height: 14, "aria-hidden": "true" }, button);
    draw("path", { d: shapePath(shapeOf(row.id), 7, 7, 4.5), fill: colorOf(row.id), class: "ntx-key" }, key);
    button.appendChild(document.createTextNode(String(row.id)));
    button.setAttribute("aria-label", `Show cluster ${row.id}`);
    button.addEventListener("click", () => this.events.onPick(row));
    button.addEventListener("focus", () => this.events.onEnter(row));
    button.addEventListener("blur", () => this.events.onLeave());
    line.addEventListener("pointerenter", () => this.events.onEnter(row));
    line.addEventListener("pointerleave", () => this.events.onLeave());
    first.appendChild(button);
    line.appendChild(first);
    line.insertCell().textContent = row.size.toLocaleString("en");
    for (const column of ["birth", "death", "persistence"]) {
      line.insertCell().textContent = radiusText(row[column]);
    }
    if (this.data.remark !== null) line.insertCell().textContent = row.remark;
    const members = line.insertCell();
    members.className = "ntx-members";
    members.textContent = memberText(row, this.data, this.nameOf, MOST_MEMBERS);
  }

  ordered() {
    const value = (row) => (row[this.sorted] === null ? Infinity : row[this.sorted]);
    const sign = this.falling ? -1 : 1;
    return this.rows.slice().sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      return one === other ? a.id - b.id : one < other ? -sign : sign;
    });
  }

  sortBy(key) {
    this.falling = key === this.sorted ? !this.falling : key !== "id";
    this.sorted = key;
    this.render();
    const at = this.columns.findIndex(([name]) => name === key);
    this.table.querySelectorAll(".ntx-sort")[at].focus();
  }
}

/** Name the first members of a cluster and count the rest. */
function memberText(row, data, nameOf, most) {
  const { id } = data.vertices;
  const members = Array.from({ length: row.count }, (_, k) => row.start + k);
  members.sort((a, b) => id[a] - id[b]);
  const names = members.slice(0, most).map(nameOf);
  const rest = row.size - names.length;
  if (!names.length) return countedOf(data, rest) + ", none of them shown";
  return names.join("; ") + (rest > 0 ? ` and ${rest.toLocaleString("en")} more` : "");
}
