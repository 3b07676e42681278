/* Fact by fact: a search, a list, and what was found for the chosen fact. */

const TEXT_COLUMNS = new Set(["method", "why no GCR"]);
const GAP = "_X_"; // where the answer stands in a prompt

class Facts {
  constructor(element, data) {
    this.data = data;
    this.facts = data.facts;
    this.said = this.facts.map((fact) => [fact.prompt, fact.key, ...fact.answers].join("\n").toLowerCase());
    this.chosen = -1;
    this.buildChoice(element);
    this.buildFact(element);
    this.filter();
    const first = this.facts.findIndex((fact) => fact.components >= 2);
    this.choose(first < 0 ? 0 : first);
  }

  buildChoice(element) {
    const box = make("div", "facts-choice");
    box.hidden = this.facts.length < 2;
    const line = make("div", "filter");
    this.search = searchField(line, "Search facts");
    this.search.placeholder = "prompt, answer or key";
    const name = make("label", "facts-only");
    this.only = make("input");
    this.only.type = "checkbox";
    name.append(this.only, document.createTextNode("only with two components or more"));
    this.count = make("output", "soft");
    this.count.setAttribute("aria-live", "polite");
    line.append(name, this.count);
    this.list = make("ul", "facts-list");
    this.list.id = "facts-list";
    this.list.tabIndex = 0;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Facts");
    for (const [role, value] of [["role", "combobox"], ["aria-expanded", "true"],
      ["aria-controls", "facts-list"], ["aria-autocomplete", "list"]]) this.search.setAttribute(role, value);
    this.options = this.facts.map((fact, k) => this.option(fact, k));
    box.append(line, this.list);
    element.appendChild(box);
    this.search.addEventListener("input", () => this.filter());
    this.only.addEventListener("change", () => this.filter());
    this.search.addEventListener("keydown", (event) => this.onKey(event, true));
    this.list.addEventListener("keydown", (event) => this.onKey(event, false));
  }

  option(fact, k) {
    const item = make("li");
    item.id = `facts-option-${k}`;
    item.setAttribute("role", "option");
    const text = make("span", "facts-text");
    text.append(...asked(fact));
    const about = [];
    if (!fact.known) about.push("not known");
    if (fact.components !== null) about.push(counted(fact.components, "component", "components"));
    item.append(text, make("span", "facts-about", about.join(", ")));
    item.addEventListener("click", () => this.choose(k));
    return item;
  }

  buildFact(element) {
    const box = make("article", "fact");
    this.head = make("h3");
    this.about = make("p", "soft");
    this.place = make("div", "fact-explorer");
    this.none = make("p", "", "This fact has no knowledge neurons, so there is nothing to draw.");
    this.explorer = window.neurotopoExplorer(this.place, null, { heading: 4 });
    const curves = make("section", "fact-curves");
    const words = make("div");
    words.append(
      make("h4", "", "Suppressing its components"),
      make("p", "soft", "The share of the answer's probability that is lost when 1, 2, ... of the components "
        + "that passed the filter are suppressed, averaged over all subsets. Degeneracy appears as a "
        + "curve that stays low and jumps at its last point, more than random groups do.")
    );
    const drawing = make("div");
    curves.append(words, drawing);
    this.chart = new CurveChart(drawing, words);
    this.methods = make("section", "fact-methods");
    this.methods.append(
      make("h4", "", "Groups of every method"),
      make("p", "soft", "Jumps in percentage points of the answer's probability: the loss with all groups minus the loss with "
        + "all but one. \"Before the filter\" means all clusters, compared with random groups of the same sizes.")
    );
    this.scroll = make("div", "scroll");
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "region");
    this.scroll.setAttribute("aria-label", "Groups of every method");
    this.methods.appendChild(this.scroll);
    box.append(this.head, this.about, this.place, this.none, curves, this.methods);
    element.appendChild(box);
  }

  /** List the facts that hold all words. */
  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.shown = [];
    this.facts.forEach((fact, k) => {
      const fits = words.every((word) => this.said[k].includes(word));
      if (fits && (!this.only.checked || fact.components >= 2)) this.shown.push(k);
    });
    const options = this.shown.map((k) => this.options[k]);
    this.list.replaceChildren(...(options.length ? options : [make("li", "facts-none", "No fact matches.")]));
    this.count.textContent = `${this.shown.length} of ${counted(this.facts.length, "fact", "facts")}`;
    this.mark();
  }

  onKey(event, searching) {
    const at = this.shown.indexOf(this.chosen);
    const last = this.shown.length - 1;
    let next = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: at + 8, PageUp: at - 8 }[event.key];
    if (event.key === "Enter" && at < 0) next = 0;
    if (!searching) next = { Home: 0, End: last }[event.key] ?? next;
    if (next === undefined) return;
    event.preventDefault();
    if (last >= 0) this.choose(this.shown[Math.min(Math.max(next, 0), last)]);
  }

  choose(k) {
    this.chosen = k;
    this.mark();
    const fact = this.facts[k];
    this.head.replaceChildren(...asked(fact));
    const about = [fact.known ? "known to the model" : "not known to the model: changes of its probability mean little"];
    if (fact.probability !== null) about.push(`probability of the answer ${Number(fact.probability.toPrecision(3))}`);
    about.push(counted(fact.neurons, "knowledge neuron", "knowledge neurons"));
    if (fact.clusters !== null) {
      about.push(`${counted(fact.clusters, "cluster", "clusters")} of NTC, ${fact.components} passed the filter`);
    }
    this.about.textContent = `${about.join(" \u00b7 ")} \u00b7 key ${fact.key}`;
    this.place.hidden = fact.graph === null;
    this.none.hidden = fact.graph !== null;
    if (fact.graph) this.explorer.show(fact.graph);
    this.chart.show(fact.curves);
    this.showMethods(fact);
  }

  showMethods(fact) {
    const table = make("table");
    const head = table.createTHead().insertRow();
    for (const name of this.data.columns) {
      const cell = make("th", TEXT_COLUMNS.has(name) ? "" : "right", name);
      cell.scope = "col";
      head.appendChild(cell);
    }
    const body = table.createTBody();
    for (const row of fact.methods) {
      const line = body.insertRow();
      row.forEach((value, column) => {
        const name = this.data.columns[column];
        const cell = make(column ? "td" : "th", TEXT_COLUMNS.has(name) ? "" : "right", cellText(value, name));
        if (!column) cell.scope = "row";
        line.appendChild(cell);
      });
    }
    this.methods.hidden = !fact.methods.length;
    this.scroll.replaceChildren(table);
    if (fact.methods.length > 1) new SortedTable(table);
  }

  /** Mark the chosen fact in the list and bring it into view there, without moving the page. */
  mark() {
    this.options.forEach((option, k) => option.setAttribute("aria-selected", String(k === this.chosen)));
    const option = this.shown.includes(this.chosen) ? this.options[this.chosen] : null;
    for (const element of [this.search, this.list]) {
      if (option) element.setAttribute("aria-activedescendant", option.id);
      else element.removeAttribute("aria-activedescendant");
    }
    if (!option) return;
    const above = option.offsetTop - this.list.offsetTop;
    const under = above + option.offsetHeight - this.list.clientHeight;
    if (this.list.scrollTop > above) this.list.scrollTop = above;
    else if (this.list.scrollTop < under) this.list.scrollTop = under;
  }
}

/** Return the prompt with its answer in place of the gap, or behind it. */
function asked(fact) {
  const answer = make("strong", "answer", fact.answers[0] || "?");
  const at = fact.prompt.indexOf(GAP);
  if (at < 0) return [document.createTextNode(fact.prompt + " "), answer];
  return [fact.prompt.slice(0, at), answer, fact.prompt.slice(at + GAP.length)];
}

function cellText(value, name) {
  if (value === null) return NOTHING_THERE;
  if (typeof value !== "number" || Number.isInteger(value) && !/jump|random|GCR/.test(name)) return String(value);
  return name === "GCR" ? String(Number(value.toPrecision(4))) : value.toFixed(1);
}

const factsPlace = document.getElementById("facts-shown");
if (factsPlace) {
  const data = JSON.parse(document.getElementById("facts-data").textContent);
  window.neurotopoFacts = new Facts(factsPlace, data);
}
