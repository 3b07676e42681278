/* The graph: samples, the edges up to R, and the clusters they make. Drawn on a canvas. */

const NEAR = 14; // pixels around a sample within which the pointer means it
const MARGIN = 18;

class Graph {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.waiting = false;
  }

  show(data) {
    this.data = data;
    this.n = data.vertices.x.length;
    this.size = Math.min(Math.max(70 / Math.sqrt(Math.max(this.n, 1)), 1.6), 6.5);
    this.x = new Float64Array(this.n);
    this.y = new Float64Array(this.n);
    if (data.circle) this.findBranches();
    const edges = data.edges;
    this.byLength = Array.from(edges.length.keys()).sort((a, b) => edges.length[a] - edges.length[b]);
  }

  /** Fit the drawing into the canvas at the sharpness of the screen. */
  fit() {
    const box = this.canvas.getBoundingClientRect();
    const sharp = window.devicePixelRatio || 1;
    this.width = Math.max(box.width, 1);
    this.height = Math.max(box.height, 1);
    this.canvas.width = Math.round(this.width * sharp);
    this.canvas.height = Math.round(this.height * sharp);
    this.context.setTransform(sharp, 0, 0, sharp, 0, 0);
    const { x, y } = this.data.vertices;
    const layered = this.data.layers !== null;
    const bottom = layered ? 30 : 0;
    const [lowX, spanX] = extent(x);
    const [lowY, spanY] = extent(y);
    const wide = this.width - 2 * MARGIN;
    const high = this.height - 2 * MARGIN - bottom;
    let scaleX = wide / (spanX || 1);
    let scaleY = high / (spanY || 1);
    if (!layered) {
      scaleX = Math.min(spanX ? scaleX : Infinity, spanY ? scaleY : Infinity);
      if (scaleX === Infinity) scaleX = 1;
      scaleY = scaleX;
    } else if (spanX) {
      scaleX *= 0.92; // room for the names of the outer layers
    }
    this.scale = scaleX;
    const left = MARGIN + (wide - spanX * scaleX) / 2;
    const top = MARGIN + (high - spanY * scaleY) / 2;
    for (let i = 0; i < this.n; i += 1) {
      this.x[i] = left + (x[i] - lowX) * scaleX;
      this.y[i] = top + (lowY + spanY - y[i]) * scaleY;
    }
  }

  /** Draw with the next frame, however often that is asked for. */
  draw(state) {
    this.state = state;
    if (this.waiting) return;
    this.waiting = true;
    window.requestAnimationFrame(() => {
      this.waiting = false;
      this.drawNow();
    });
  }

  drawNow() {
    const style = window.getComputedStyle(this.canvas);
    this.ink = style.color;
    this.ground = style.backgroundColor;
    this.context.clearRect(0, 0, this.width, this.height);
    if (this.data.layers) this.drawLayers();
    if (this.data.discs) this.drawDiscs();
    if (this.data.circle) this.drawTree();
    this.drawEdges();
    this.drawVertices();
  }

  drawLayers() {
    const { context, data } = this;
    const at = new Map();
    data.vertices.layer.forEach((layer, i) => at.set(layer, this.x[i]));
    context.save();
    context.fillStyle = this.ink;
    context.strokeStyle = this.ink;
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    let free = -Infinity;
    for (const layer of Array.from(at.keys()).sort((a, b) => a - b)) {
      const x = at.get(layer);
      context.globalAlpha = 0.12;
      context.beginPath();
      context.moveTo(x, 6);
      context.lineTo(x, this.height - 34);
      context.stroke();
      const name = data.layers[layer];
      const half = context.measureText(name).width / 2;
      if (x - half < free) continue;
      context.globalAlpha = 0.85;
      context.fillText(name, x, this.height - 20);
      free = x + half + 6;
    }
    context.globalAlpha = 0.85;
    context.fillText("layer", this.width / 2, this.height - 5);
    context.restore();
  }

  drawDiscs() {
    const { context, state } = this;
    const reach = (state.radius / 2) * this.scale;
    if (!(reach > 0)) return;
    const paths = new Map();
    for (let i = 0; i < this.n; i += 1) {
      const color = colorOf(state.colors[i]);
      if (!paths.has(color)) paths.set(color, new Path2D());
      const path = paths.get(color);
      path.moveTo(this.x[i] + reach, this.y[i]);
      path.arc(this.x[i], this.y[i], reach, 0, 2 * Math.PI);
    }
    context.save();
    context.globalAlpha = state.lit ? 0.07 : 0.16;
    paths.forEach((path, color) => {
      context.fillStyle = color;
      context.fill(path);
    });
    context.restore();
  }

  /** For a tree on a circle: the ends of every branch, as `[from, to, parent's place]`. */
  findBranches() {
    const { clusters } = this.data;
    const inner = new Int32Array(this.n).fill(-1); // the smallest cluster that holds a sample
    for (let k = clusters.birth.length - 1; k >= 0; k -= 1) {
      inner.fill(k, clusters.start[k], clusters.start[k] + clusters.size[k]);
    }
    const branch = (middle, sample, birth, parent) => ({ middle, sample, birth, parent });
    this.branches = Array.from(inner, (k, i) => branch(i, i, 0, k));
    clusters.birth.forEach((birth, k) => {
      const middle = clusters.start[k] + (clusters.size[k] - 1) / 2;
      this.branches.push(branch(middle, clusters.start[k], birth, clusters.parent[k]));
    });
    this.arcs = clusters.birth.map(() => [Infinity, -Infinity]);
    for (const { middle, parent } of this.branches) {
      if (parent < 0) continue;
      this.arcs[parent][0] = Math.min(this.arcs[parent][0], middle);
      this.arcs[parent][1] = Math.max(this.arcs[parent][1], middle);
    }
  }

  /** Draw the tree inside the circle: from the samples inwards, as far as it has grown at R. */
  drawTree() {
    const { context, state, data } = this;
    const { birth } = data.clusters;
    const center = [this.width / 2, this.height / 2];
    const reach = (radius) => this.scale * (0.97 - 0.92 * state.scale.place(radius));
    const angle = (place) => (2 * Math.PI * place) / this.n - Math.PI / 2;
    const at = (place, away) => [
      center[0] + away * Math.cos(angle(place)),
      center[1] + away * Math.sin(angle(place)),
    ];
    const paths = new Map();
    const pathOf = (sample) => {
      const key = (!state.lit || isLit(state, sample) ? "1" : "0") + colorOf(state.colors[sample]);
      if (!paths.has(key)) paths.set(key, new Path2D());
      return paths.get(key);
    };
    for (const { middle, sample, birth: from, parent } of this.branches) {
      if (from > state.radius) continue;
      const to = parent < 0 ? state.radius : Math.min(birth[parent], state.radius);
      const path = pathOf(sample);
      path.moveTo(...at(middle, reach(from)));
      path.lineTo(...at(middle, reach(to)));
    }
    this.arcs.forEach(([first, last], k) => {
      if (birth[k] > state.radius) return;
      const path = pathOf(data.clusters.start[k]);
      path.moveTo(...at(first, reach(birth[k])));
      path.arc(center[0], center[1], reach(birth[k]), angle(first), angle(last));
    });
    context.save();
    context.lineWidth = 1.6;
    paths.forEach((path, key) => {
      context.globalAlpha = key[0] === "1" ? 0.9 : 0.2;
      context.strokeStyle = key.slice(1);
      context.stroke(path);
    });
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.strokeStyle = window.getComputedStyle(this.canvas).getPropertyValue("--ntx-now");
    context.beginPath();
    context.arc(center[0], center[1], Math.max(reach(state.radius), 0), 0, 2 * Math.PI);
    context.stroke();
    context.restore();
  }

  drawEdges() {
    const { context, state, data } = this;
    const { source, target, length } = data.edges;
    const paths = new Map();
    let shown = 0;
    for (const e of this.byLength) {
      if (length[e] > state.radius) break;
      shown += 1;
      const a = source[e];
      const b = target[e];
      const within = state.colors[a] === state.colors[b];
      const lit = !state.lit || (isLit(state, a) && isLit(state, b));
      const key = (lit ? "1" : "0") + (within ? colorOf(state.colors[a]) : GREY);
      if (!paths.has(key)) paths.set(key, new Path2D());
      const path = paths.get(key);
      path.moveTo(this.x[a], this.y[a]);
      path.lineTo(this.x[b], this.y[b]);
    }
    context.save();
    const many = shown > 800;
    context.lineWidth = many ? 0.7 : 1.2;
    const strength = many ? 0.32 : 0.65;
    paths.forEach((path, key) => {
      context.globalAlpha = key[0] === "1" ? strength : 0.1;
      context.strokeStyle = key.slice(1);
      context.stroke(path);
    });
    context.restore();
    this.edgesShown = shown;
  }

  drawVertices() {
    const { context, state } = this;
    const groups = new Map();
    for (let i = 0; i < this.n; i += 1) {
      const lit = state.lit ? (isLit(state, i) ? "2" : "0") : "1";
      const key = lit + " " + state.colors[i];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(i);
    }
    const order = Array.from(groups.keys()).sort();
    context.save();
    for (const key of order) {
      const number = Number(key.slice(2));
      const path = new Path2D();
      const grow = key[0] === "2" ? 1.35 : number < 0 ? 0.8 : 1;
      for (const i of groups.get(key)) {
        trace(path, shapeOf(number), this.x[i], this.y[i], this.size * grow);
      }
      context.globalAlpha = key[0] === "0" ? 0.28 : 1;
      context.fillStyle = colorOf(number);
      context.fill(path);
      const ring = key[0] === "2" ? 2 : this.size > 2.5 ? 0.8 : 0;
      if (ring) {
        context.lineWidth = ring;
        context.strokeStyle = key[0] === "2" ? this.ink : this.ground;
        context.stroke(path);
      }
    }
    context.restore();
  }

  /** Return the sample at a place on the canvas, -1 where there is none. */
  nearest(x, y) {
    let sample = -1;
    let least = NEAR * NEAR;
    for (let i = 0; i < this.n; i += 1) {
      const away = (this.x[i] - x) * (this.x[i] - x) + (this.y[i] - y) * (this.y[i] - y);
      if (away < least) {
        least = away;
        sample = i;
      }
    }
    return sample;
  }
}

function isLit(state, i) {
  return i >= state.lit.start && i < state.lit.start + state.lit.count;
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return values.length ? [low, high - low] : [0, 0];
}
