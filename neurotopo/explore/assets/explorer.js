/* The explorer: a radius that is moved, and everything that follows it. */

const STEPS = 500; // of the slider
const GROWTH = 9000; // milliseconds from 0 to the end
const PAUSE = 700; // between two merges, where motion is not wanted
let instances = 0;

class Explorer {
  constructor(element, options) {
    this.element = element;
    this.heading = (options && options.heading) || 1;
    this.onPick = (options && options.onPick) || null;
    instances += 1;
    this.prefix = `ntx${instances}`;
    this.hovered = null;
    this.pinned = null;
    this.playing = null;
    Object.assign(this, buildParts(element, this.prefix, this.heading));
    this.graph = new Graph(this.canvas);
    const events = {
      onEnter: (bar) => this.enter(this.rangeOfBar(bar)),
      onLeave: () => this.enter(null),
      onPick: (bar) => this.pick(this.rangeOfBar(bar)),
    };
    this.charts = new Charts(this.diagram, this.barcode, events);
    const rows = {
      onEnter: (row) => this.enter(this.rangeOfChosen(row)),
      onLeave: () => this.enter(null),
      onPick: (row) => this.pick(this.rangeOfChosen(row)),
    };
    this.chosen = new ChosenTable(this.table, rows, (i) => this.nameOf(i));
    this.listen();
  }

  listen() {
    this.slider.addEventListener("input", () => {
      this.stop();
      this.setRadius(this.scale.radius(Number(this.slider.value) / STEPS));
    });
    this.sliceSlider.addEventListener("input", () => this.showSlice(Number(this.sliceSlider.value)));
    this.before.addEventListener("click", () => this.step(-1));
    this.after.addEventListener("click", () => this.step(1));
    this.play.addEventListener("click", () => (this.playing ? this.stop() : this.start()));
    for (const mode of ["radius", "chosen"]) {
      this.modes.inputs[mode].addEventListener("change", () => this.setMode(mode));
    }
    for (const kind of ["linear", "log"]) {
      this.scales.inputs[kind].addEventListener("change", () => this.setScale(kind === "log"));
    }
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.enter(null));
    this.canvas.addEventListener("click", (event) => {
      this.point(event); // a bar that loses the focus has ended what was pointed at
      if (this.hovered && this.hovered.birth !== undefined) this.pick(this.hovered, true);
      else this.unpin();
    });
    this.onKey = (event) => {
      if (event.key === "Escape") this.unpin();
    };
    this.element.addEventListener("keydown", this.onKey);
    this.redraw = () => this.update();
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.redraw);
    this.themed = new MutationObserver(this.redraw);
    for (const element of [document.documentElement, this.element]) {
      this.themed.observe(element, { attributes: true, attributeFilter: ["data-theme"] });
    }
    this.sized = new ResizeObserver(() => this.render());
    this.sized.observe(this.element);
  }

  /** Take other data: of one clustering, or of slices with a slider over them. */
  show(data) {
    this.series = data.slices ? data : null;
    this.sliceLine.hidden = !this.series;
    if (!this.series) {
      this.showOne(data);
      return;
    }
    this.sliceSlider.max = data.slices.length - 1;
    this.mode = "chosen";
    this.showSlice(0);
  }

  /** Show a slice, in the same colours as the one before. */
  showSlice(k) {
    const { slices, slice_names: names, title } = this.series;
    const { mode } = this;
    this.slice = k;
    this.sliceSlider.value = String(k);
    this.sliceName.textContent = names[k];
    this.sliceSlider.setAttribute("aria-valuetext", names[k]);
    this.showOne({ ...slices[k], title });
    this.setMode(mode);
  }

  showOne(data) {
    this.stop();
    this.data = data;
    this.hovered = null;
    this.pinned = null;
    const { clusters } = data;
    this.merges = Array.from(new Set(clusters.birth)).sort((a, b) => a - b);
    this.atEdges = new Map();
    data.bars.start.forEach((start, bar) => {
      const key = `${start}:${data.bars.count[bar]}`;
      if (!this.atEdges.has(key)) this.atEdges.set(key, bar);
    });
    this.title.textContent = data.title;
    this.about.replaceChildren();
    for (const [name, value] of data.about) {
      const pair = make("div");
      pair.append(make("dt", "", name), make("dd", "", value));
      this.about.appendChild(pair);
    }
    this.notes.replaceChildren(...data.notes.map((note) => make("li", "", note)));
    this.notes.hidden = !data.notes.length;
    this.mode = "radius";
    this.modes.inputs.radius.checked = true;
    this.modes.field.hidden = data.vertices.label === null;
    this.modes.inputs.chosen.nextSibling.textContent = `${chosenName(data)}s`;
    this.below.hidden = data.chosen === null;
    this.leftHead.textContent = data.chosen === null ? upperFirst(data.unit[1]) : "Graph";
    const wide = data.low !== null && data.end / data.low > 100;
    this.log = data.low !== null && data.end > data.low && (data.log || false);
    this.scales.field.hidden = !wide && !this.log;
    this.scales.inputs[this.log ? "log" : "linear"].checked = true;
    this.scale = new Scale(data.low, data.end, this.log);
    this.graph.show(data);
    this.charts.show(data);
    this.barHint.textContent = barText(data, this.charts.bars.length);
    if (data.chosen) {
      const left = data.n_chosen - data.chosen.length;
      this.tableNote.textContent = !data.n_chosen
        ? "No cluster was chosen."
        : left > 0 ? `The first ${data.chosen.length} of ${data.n_chosen.toLocaleString("en")}.` : "";
      this.chosen.show(data);
    }
    this.radius = this.firstRadius();
    this.render();
  }

  /** Begin where the first chosen cluster lives; else in the middle. */
  firstRadius() {
    const { chosen, bars } = this.data;
    if (chosen && chosen.length) return this.middle(chosen[0].birth, chosen[0].death);
    if (bars.birth.length) return this.middle(bars.birth[0], bars.death[0]);
    return 0;
  }

  /** Return a radius inside a life, rounded as far as that is possible. */
  middle(birth, death) {
    const exact = this.scale.between(birth, death === null ? this.scale.high : death);
    const round = Number(exact.toPrecision(4));
    return round >= birth && (death === null || round < death) ? round : exact;
  }

  nameOf(i) {
    const { name, id } = this.data.vertices;
    return name === null ? String(id[i]) : name[i];
  }

  rangeOfBar(bar) {
    const { bars } = this.data;
    return {
      bar, start: bars.start[bar], count: bars.count[bar], size: bars.size[bar],
      birth: bars.birth[bar], death: bars.death[bar],
    };
  }

  rangeOfChosen(row) {
    const bar = this.atEdges.get(`${row.start}:${row.count}`);
    return bar === undefined || this.data.bars.chosen[bar] !== row.id
      ? { bar: -1, start: row.start, count: row.count, size: row.size, birth: row.birth, death: row.death }
      : this.rangeOfBar(bar);
  }

  /** Colour number of a bar: a cluster that was not chosen is grey among the chosen. */
  look(bar) {
    const { bars } = this.data;
    return this.mode === "chosen" && bars.chosen[bar] < 0 ? -1 : bars.color[bar];
  }

  setRadius(radius) {
    this.radius = Math.min(Math.max(radius, 0), this.scale.high);
    this.update();
  }

  setMode(mode) {
    this.mode = mode;
    this.modes.inputs[mode].checked = true;
    this.render();
  }

  setScale(log) {
    this.stop();
    this.log = log;
    this.scale = new Scale(this.data.low, this.data.end, log);
    this.scales.inputs[log ? "log" : "linear"].checked = true;
    this.render();
  }

  /** Go to the next merge, or to the one before (just before anything: R = 0). */
  step(direction) {
    this.stop();
    const merge = this.nextMerge(direction);
    if (merge !== null) this.setRadius(merge);
  }

  nextMerge(direction) {
    if (direction > 0) {
      const next = this.merges.find((radius) => radius > this.radius);
      return next === undefined ? null : next;
    }
    const before = this.merges.filter((radius) => radius < this.radius);
    return before.length ? before[before.length - 1] : 0;
  }

  start() {
    if (this.radius >= this.scale.high * (1 - 1e-9) || this.nextMerge(1) === null) this.setRadius(0);
    this.play.textContent = "Pause";
    this.play.setAttribute("aria-label", "Pause");
    this.now.setAttribute("aria-live", "off"); // a running number is not to be read out
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.playing = still ? this.playSteps() : this.playFrames();
  }

  stop() {
    if (!this.playing) return;
    this.playing();
    this.playing = null;
    this.play.textContent = "Grow";
    this.play.setAttribute("aria-label", "Let the clusters grow");
    this.now.setAttribute("aria-live", "polite");
  }

  /** Go from merge to merge; returns what ends it. */
  playSteps() {
    const timer = window.setInterval(() => {
      const next = this.nextMerge(1);
      if (next === null) this.stop();
      else this.setRadius(next);
    }, PAUSE);
    return () => window.clearInterval(timer);
  }

  /** Let R run evenly over the axis; returns what ends it. */
  playFrames() {
    const from = this.scale.place(this.radius);
    let began = null;
    let frame = 0;
    const go = (time) => {
      if (began === null) began = time;
      const at = from + (time - began) / GROWTH;
      this.setRadius(this.scale.radius(Math.min(at, 1)));
      if (at >= 1) this.stop();
      else frame = window.requestAnimationFrame(go);
    };
    frame = window.requestAnimationFrame(go);
    return () => window.cancelAnimationFrame(frame);
  }

  /** Light up what is pointed at or focused; null: only what is pinned. */
  enter(range) {
    this.hovered = range;
    this.update();
  }

  /** Keep a cluster highlighted and go to a radius at which it lives; a second time releases it. */
  pick(range, stay) {
    this.stop();
    if (this.onPick) this.onPick(this.picked(range));
    const same = this.pinned && this.pinned.start === range.start && this.pinned.count === range.count;
    this.pinned = same ? null : range;
    if (!same && !stay && range.birth !== undefined) {
      const alive = range.birth <= this.radius && (range.death === null || range.death > this.radius);
      if (!alive) this.radius = this.middle(range.birth, range.death);
    }
    this.update();
  }

  /** Return what other scripts get of a picked cluster: its samples, and its number if chosen. */
  picked(range) {
    const { bars, vertices } = this.data;
    const chosen = range.bar >= 0 && bars.chosen[range.bar] >= 0 ? bars.chosen[range.bar] : null;
    const members = vertices.id.slice(range.start, range.start + range.count);
    return { chosen, members: members.sort((a, b) => a - b), birth: range.birth, radius: this.radius };
  }

  unpin() {
    this.pinned = null;
    this.hovered = null;
    this.update();
  }

  /** Light up the cluster of the sample under the pointer. */
  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const i = this.graph.nearest(event.clientX - box.left, event.clientY - box.top);
    if (i < 0) {
      if (this.hovered) this.enter(null);
      return;
    }
    const cluster = this.labels[i];
    if (cluster < 0) {
      this.enter({ bar: -1, start: i, count: 1, size: 1, sample: i });
      return;
    }
    const { clusters } = this.data;
    const [start, count, parent] = [clusters.start[cluster], clusters.size[cluster], clusters.parent[cluster]];
    const bar = this.atEdges.get(`${start}:${count}`);
    const range = bar === undefined
      ? { bar: -1, start, count, size: count, birth: clusters.birth[cluster], death: parent < 0 ? null : clusters.birth[parent] }
      : this.rangeOfBar(bar);
    this.enter({ ...range, sample: i });
  }

  /** Find the cluster of every sample at R, -1 for single ones, and the colours to show. */
  label() {
    const { clusters, vertices } = this.data;
    const n = vertices.x.length;
    this.labels = new Int32Array(n).fill(-1);
    this.alive = [];
    for (let k = 0; k < clusters.birth.length && clusters.birth[k] <= this.radius; k += 1) {
      const parent = clusters.parent[k];
      if (parent >= 0 && clusters.birth[parent] <= this.radius) continue;
      this.alive.push(k);
      this.labels.fill(k, clusters.start[k], clusters.start[k] + clusters.size[k]);
    }
    const number = (k) => (k < 0 ? -1 : clusters.color[k]);
    this.colors = this.mode === "chosen" ? vertices.label : Array.from(this.labels, number);
  }

  /** Draw everything anew: for other data, another width or another scale. */
  render() {
    if (!this.data) return;
    this.graph.fit();
    this.charts.render(this.scale, (bar) => this.look(bar));
    this.update();
  }

  /** Follow R and what is lit. */
  update() {
    if (!this.data) return;
    this.label();
    const lit = this.hovered || this.pinned;
    const shown = this.scale.place(this.radius) * STEPS;
    if (document.activeElement !== this.slider || Math.abs(Number(this.slider.value) - shown) > 1) {
      this.slider.value = String(Math.round(shown));
    }
    this.value.textContent = radiusText(this.radius);
    const text = this.nowText();
    if (this.now.textContent !== text) this.now.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    this.canvas.setAttribute("aria-label", `Graph. ${text}`);
    this.before.disabled = this.radius <= 0;
    this.after.disabled = this.nextMerge(1) === null;
    this.graph.draw({ radius: this.radius, colors: this.colors, lit, scale: this.scale });
    this.charts.moveTo(this.radius);
    this.charts.light(lit ? lit.bar : -1, this.pinned ? this.pinned.bar : -1);
    this.legend.replaceChildren(...legendItems(this.entries(), this.mode, this.data));
    this.detail.classList.toggle("ntx-idle", !lit);
    const kept = this.pinned !== null && this.hovered === null;
    this.detail.textContent = detailText(lit, this.data, (i) => this.nameOf(i), kept);
  }

  nowText() {
    const n = this.labels.length;
    const single = n - this.alive.reduce((sum, k) => sum + this.data.clusters.size[k], 0);
    const clusters = counted(this.alive.length, "cluster", "clusters");
    return `R = ${radiusText(this.radius)}: ${clusters} with at least 2 members, ${single.toLocaleString("en")} single.`;
  }

  /** Return the colours shown: their number, how many samples have it, and a name. */
  entries() {
    const { clusters, vertices } = this.data;
    if (this.mode !== "chosen") return this.alive.map((k) => [clusters.color[k], clusters.size[k], ""]);
    const count = new Map();
    for (const k of vertices.label) if (k >= 0) count.set(k, (count.get(k) || 0) + 1);
    return Array.from(count, ([k, size]) => [k, size, `${this.series ? "vine" : "cluster"} ${k}: `]);
  }

  /** Return what is shown, in the order of the samples: for tests and for other scripts. */
  state() {
    const { id } = this.data.vertices;
    const lit = this.hovered || this.pinned;
    const labels = new Array(this.data.n).fill(-1);
    const colors = new Array(this.data.n).fill(null);
    this.labels.forEach((cluster, i) => {
      labels[id[i]] = cluster;
      colors[id[i]] = `${colorOf(this.colors[i])} ${shapeOf(this.colors[i])}`;
    });
    return {
      radius: this.radius,
      mode: this.mode,
      scale: this.scale.log ? "log" : "linear",
      labels,
      colors,
      lit: lit ? id.slice(lit.start, lit.start + lit.count).sort((a, b) => a - b) : [],
      pinned: this.pinned !== null,
      slice: this.series ? this.slice : null,
      playing: this.playing !== null,
    };
  }

  destroy() {
    this.stop();
    this.sized.disconnect();
    this.themed.disconnect();
    this.dark.removeEventListener("change", this.redraw);
    this.element.removeEventListener("keydown", this.onKey);
    this.element.replaceChildren();
    this.element.classList.remove("ntx");
  }
}

/**
 * Show a clustering in an element. `options.heading` is the level of its title, 1 to 6;
 * `options.onPick` is called with `{chosen, members, birth, radius}` when a cluster is picked.
 */
window.neurotopoExplorer = function neurotopoExplorer(element, data, options) {
  const explorer = new Explorer(element, options);
  if (data) explorer.show(data);
  return explorer;
};
