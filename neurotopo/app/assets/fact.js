/* The panel of one fact: its model, its neurons, and what happens when some of them change. */

const IN_LATTICE = 5; // components that are in the lattice at first
const MOST_IN_LATTICE = 8;
const THRESHOLDS = { layer: 8, model: 40, share: 0.2 };

class FactPanel {
  constructor(connection, start) {
    this.connection = connection;
    this.work = new Work(byId("fact-work"), connection);
    this.facts = [];
    this.groups = []; // {key, name, members, scale, chosen, without, inLattice}
    this.explorer = null;
    for (const name of start.models) byId("models").append(new Option(name, name));
    byId("model").value = start.model;
    byId("dtype").value = start.dtype;
    saveLinks(byId("fact-save"), connection, [
      ["fact.json", "JSON"], ["fact.html", "an offline page"], ["fact.py", "Python code"],
    ]);
    this.listen();
  }

  listen() {
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    const submits = (id, act) => on(id, "submit", (event) => {
      event.preventDefault();
      act();
    });
    submits("model-form", () => this.load());
    submits("fact-form", () => this.find());
    on("known", "change", () => this.fill());
    on("select", "change", () => {
      const kind = byId("select").value;
      byId("threshold").value = THRESHOLDS[kind];
      byId("threshold-name").textContent = kind === "share" ? "Share" : "How many";
    });
    on("tau", "input", () => {
      byId("tau-value").textContent = byId("tau").value;
    });
    for (const id of ["tau", "least", "scale", "positions"]) on(id, "change", () => this.regroup());
    on("restore", "click", () => {
      this.groups = this.groups.filter((group) => group.chosen !== null);
      for (const group of this.groups) group.scale = 1;
      this.change();
    });
    on("factor", "change", () => {
      if (!byId("factor").reportValidity()) return;
      for (const group of this.groups) if (group.scale > 1) group.scale = this.factor();
      this.change();
    });
    on("lattice-run", "click", () => this.lattice());
    submits("wording-form", () => this.reword([byId("wording").value]));
    on("wordings-run", "click", () => this.reword(this.fact.wordings));
  }

  get model() {
    return { model: byId("model").value.trim(), dtype: byId("dtype").value };
  }

  load() {
    byId("found").hidden = true;
    byId("now").hidden = true;
    return this.work.run("load", () => this.model, (about) => {
      this.facts = about.facts;
      byId("model-about").textContent =
        `${about.model}: ${about.name}, ${counted(about.n_layers, "layer", "layers")} of ` +
        `${counted(about.n_neurons, "neuron", "neurons")}, ${about.dtype}` +
        (this.facts.length ? "" : "; no known fact at hand: type one");
      const known = byId("known");
      known.replaceChildren(new Option(this.facts.length ? "type your own" : "none at hand", ""));
      this.facts.forEach((fact, k) => {
        known.append(new Option(`${fact.prompt} \u2192 ${fact.answers.join(" or ")}`, String(k)));
      });
      byId("fact-form").hidden = false;
      if (this.facts.length) {
        known.value = "0";
        this.fill();
      }
    });
  }

  /** Put a known fact into the fields. */
  fill() {
    const fact = this.facts[Number(byId("known").value)];
    const chosen = byId("known").value !== "" && fact;
    byId("prompt").value = chosen ? fact.prompt : "";
    byId("answers").value = chosen ? fact.answers.join("; ") : "";
    byId("foils").value = chosen ? fact.foils.join("; ") : "";
  }

  /** Return the fact of the fields; what is known of it counts only for its own prompt. */
  asked() {
    const own = this.facts[Number(byId("known").value)];
    const prompt = byId("prompt").value;
    const kept = byId("known").value !== "" && own && own.prompt === prompt ? own : { wordings: [] };
    const fact = { prompt, answers: listOf(byId("answers").value) };
    for (const name of ["relation", "subject", "date", "language"]) {
      if (kept[name] !== undefined) fact[name] = kept[name];
    }
    return { fact, wordings: kept.wordings };
  }

  clusters() {
    return {
      tau: Number(byId("tau").value),
      min_cluster_size: Number(byId("least").value),
      scale: byId("scale").value,
    };
  }

  find() {
    this.fact = this.asked();
    const given = () => ({
      ...this.model,
      fact: this.fact.fact,
      foils: listOf(byId("foils").value),
      select: byId("select").value,
      threshold: Number(byId("threshold").value),
      clusters: this.clusters(),
      positions: byId("positions").value,
    });
    this.work.run("find", given, (found) => {
      this.foils = found.foils;
      byId("found").hidden = false;
      byId("wordings").replaceChildren(...this.fact.wordings.map((text) => new Option(text, text)));
      byId("wordings-run").hidden = !this.fact.wordings.length;
      byId("answer-head").textContent = this.fact.fact.prompt;
      byId("score").querySelector("[value=contrast]").disabled = !this.foils.length;
      if (!this.foils.length && byId("score").value === "contrast") byId("score").value = "probability";
      this.showGroups(found);
    });
  }

  /** Cluster the same neurons anew: for another tau and the like. */
  regroup() {
    if (byId("found").hidden || !byId("least").reportValidity()) return;
    const given = () => ({ clusters: this.clusters(), positions: byId("positions").value });
    this.work.run("group", given, (found) => this.showGroups(found));
  }

  showGroups(found) {
    this.base = found.base;
    this.groups = found.components.map(({ members, without }, k) => ({
      key: members.join(), name: String(k), members, without, scale: 1, chosen: k,
      inLattice: k < IN_LATTICE,
    }));
    if (this.explorer) this.explorer.destroy();
    const data = { ...found.graph, notes: [...found.graph.notes, ...(found.notes || [])] };
    this.explorer = window.neurotopoExplorer(byId("graph"), data, {
      heading: 2,
      onPick: (picked) => this.pick(picked),
    });
    byId("lattice").replaceChildren();
    byId("wording-table").replaceChildren();
    byId("now").hidden = false;
    this.showTable();
    this.showEffect(this.base, null);
  }

  factor() {
    return Number(byId("factor").value);
  }

  /** A cluster was clicked: suppress, enhance or restore it. */
  pick({ members, radius }) {
    const mode = document.querySelector("input[name=click]:checked").value;
    if (mode === "show") return;
    const key = members.join();
    let group = this.groups.find((each) => each.key === key);
    if (!group) {
      const own = this.groups.filter((each) => each.chosen === null).length;
      group = {
        key, members, without: null, scale: 1, chosen: null, inLattice: false,
        name: this.freeName(own), radius,
      };
      this.groups.push(group);
    }
    const wanted = mode === "suppress" ? 0 : this.factor();
    group.scale = group.scale === wanted ? 1 : wanted;
    if (group.chosen === null && group.scale === 1) {
      this.groups = this.groups.filter((each) => each !== group);
    }
    this.change();
  }

  freeName(from) {
    const taken = new Set(this.groups.map((group) => group.name));
    for (let k = from; ; k += 1) {
      const name = k < 26 ? String.fromCharCode(65 + k) : `A${k}`;
      if (!taken.has(name)) return name;
    }
  }

  changed() {
    return this.groups.filter((group) => group.scale !== 1);
  }

  edits() {
    const name = ({ chosen, name: own }) => (chosen === null ? `cluster ${own}` : `component ${own}`);
    return this.changed().map((group) => ({
      name: name(group), members: group.members, scale: group.scale,
    }));
  }

  /** Ask the model again. */
  change() {
    this.showTable();
    const given = () => ({ groups: this.edits(), positions: byId("positions").value });
    this.work.run("edit", given, ({ base, edited }) => this.showEffect(base, edited));
  }

  showEffect(base, edited) {
    showAnswer(byId("answer"), base, edited);
    const after = edited || base;
    const changes = this.changed().map(({ name, scale }) => (scale ? `${name} times ${scale}` : `${name} suppressed`));
    byId("now").textContent = edited
      ? `${base.answer}: ${percent(base.probability)} \u2192 ${percent(after.probability)} (${changes.join(", ")})`
      : `${base.answer}: ${percent(base.probability)}, nothing is changed`;
    byId("now").dataset.seconds = this.work.seconds.toFixed(3);
  }

  showTable() {
    const table = byId("components");
    const focused = document.activeElement && document.activeElement.dataset.of;
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const text of ["", "neurons", "without it", "state", "lattice"]) {
      const cell = make("th", "", text);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const group of this.groups) this.tableRow(body.insertRow(), group);
    if (!this.groups.length) body.insertRow().insertCell().textContent = "No component: lower tau.";
    const again = focused && table.querySelector(`[data-of="${focused}"]`);
    if (again) again.focus();
    const n = this.groups.filter((group) => group.inLattice).length;
    byId("lattice-hint").textContent = n < 2
      ? "Tick at least two components in the column lattice."
      : `${counted(2 ** n, "subset", "subsets")} of ${n} components.` +
        (n > MOST_IN_LATTICE ? ` At most ${MOST_IN_LATTICE} components.` : "");
    byId("lattice-run").disabled = n < 2 || n > MOST_IN_LATTICE;
  }

  tableRow(row, group) {
    row.className = group.scale === 1 ? "" : group.scale === 0 ? "nta-off" : "nta-up";
    const name = make("th", "", group.chosen === null ? `${group.name}, at R = ${radiusText(group.radius)}` : group.name);
    name.scope = "row";
    const size = make("td", "", String(group.members.length));
    const without = make("td", "", group.without === null ? "" : percent(group.without));
    const states = make("td", "nta-states");
    for (const [scale, text] of [[1, "as it is"], [0, "suppressed"], [2, "enhanced"]]) {
      const label = make("label");
      const input = make("input");
      Object.assign(input, { type: "radio", name: `state-${group.name}`, value: String(scale) });
      input.checked = scale === 2 ? group.scale > 1 || (group.scale > 0 && group.scale < 1) : group.scale === scale;
      input.dataset.of = `${group.name}-${scale}`;
      input.setAttribute("aria-label", `Component ${group.name} ${text}`);
      input.addEventListener("change", () => {
        group.scale = scale === 2 ? this.factor() : scale;
        this.change();
      });
      label.append(input, text);
      states.append(label);
    }
    const cell = make("td");
    const tick = make("input");
    Object.assign(tick, { type: "checkbox", checked: group.inLattice });
    tick.dataset.of = `${group.name}-lattice`;
    tick.setAttribute("aria-label", `Component ${group.name} in the lattice`);
    tick.addEventListener("change", () => {
      group.inLattice = tick.checked;
      this.showTable();
    });
    cell.append(tick);
    row.append(name, size, without, states, cell);
  }

  lattice() {
    const groups = this.groups.filter((group) => group.inLattice);
    const given = () => ({
      groups: groups.map((group) => group.members),
      score: byId("score").value,
      positions: byId("positions").value,
    });
    this.work.run("lattice", given, (found) => {
      showLattice(byId("lattice"), found, groups.map((group) => group.name), (subset) => {
        groups.forEach((group, k) => {
          group.scale = subset.includes(k) ? 0 : 1;
        });
        this.change();
      });
    });
  }

  reword(prompts) {
    const given = () => ({ prompts, groups: this.edits(), positions: byId("positions").value });
    this.work.run("reword", given, (rows) => {
      const table = make("table", "nta-table");
      const head = table.createTHead().insertRow();
      for (const text of ["wording", "probability of the answer"]) {
        const cell = make("th", "", text);
        cell.scope = "col";
        head.append(cell);
      }
      const body = table.createTBody();
      for (const { prompt, before, after, problem } of rows) {
        const number = this.changed().length ? `${percent(before || 0)} \u2192 ${percent(after || 0)}` : percent(before || 0);
        const row = body.insertRow();
        const name = make("th", "nta-text", prompt);
        name.scope = "row";
        row.append(name, make("td", "", problem || number));
      }
      byId("wording-table").replaceChildren(table);
    });
  }
}
