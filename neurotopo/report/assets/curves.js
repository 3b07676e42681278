/* Curves of suppression: how much of the answer's probability is lost with k groups suppressed. */

const LOOKS = {
  ntc: [COLORS[0], "circle", ""], "random:ntc": [COLORS[4], "square", "5 4"],
  oracle: [COLORS[2], "diamond", ""], "random:oracle": [COLORS[3], "up", "2 3"],
};
const HINT = "To read a value, point at it, or move with Tab and the arrow keys.";

class CurveChart {
  /** The chart goes into one element, its legend and the value pointed at into another. */
  constructor(element, words) {
    this.svg = draw("svg", { class: "ntx-svg", role: "group", "aria-label": "Suppression curves" }, element);
    this.legend = make("ul", "curve-legend");
    this.detail = make("p", "curve-detail soft");
    this.detail.setAttribute("aria-live", "polite");
    words.append(this.legend, this.detail);
    new ResizeObserver(() => this.render()).observe(element);
  }

  show(curves) {
    this.all = curves;
    this.curves = curves.filter((curve) => curve.values.some((value) => value !== null));
    this.focused = [0, 0];
    this.render();
  }

  look(curve) {
    return LOOKS[(curve.random ? "random:" : "") + curve.method];
  }

  render() {
    const { svg, curves } = this;
    if (!curves) return;
    svg.replaceChildren();
    this.detail.textContent = curves.length ? HINT : "";
    this.legend.replaceChildren(...this.all.map((curve) => this.key(curve)));
    svg.style.display = curves.length ? "" : "none";
    if (!curves.length) return;
    const width = Math.max(svg.parentNode.clientWidth, 200);
    const height = 270;
    resize(svg, width, height);
    const [left, right, top, bottom] = [58, width - 16, 12, height - 44];
    const percent = curves.flatMap((c) => c.values.filter((v) => v !== null).map((v) => 100 * v));
    const ends = [Math.min(0, ...percent), Math.max(1, ...percent)];
    const ticks = steps(ends[0], ends[1], 5);
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : ends[1] - ends[0];
    const low = Math.floor(ends[0] / step) * step;
    const high = Math.ceil(ends[1] / step - 1e-9) * step;
    const n = Math.max(...curves.map((curve) => curve.values.length));
    const gap = 0.06 * (high - low);
    const y = (v) => bottom - ((v - low + gap) / (high - low + 2 * gap)) * (bottom - top);
    const x = (k) => (n === 1 ? (left + right) / 2 : left + 20 + ((k - 1) / (n - 1)) * (right - left - 40));
    for (const tick of steps(low, high, 5)) {
      draw("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: tick ? "curve-grid" : "curve-zero" }, svg);
      label(svg, left - 8, y(tick) + 4, `${tick} %`, "end");
    }
    const every = Math.ceil(n / Math.max(Math.floor(width / 45), 1));
    for (let k = 1; k <= n; k += every) label(svg, x(k), bottom + 18, String(k), "middle");
    label(svg, (left + right) / 2, height - 6, "components suppressed", "middle");
    this.points = curves.map((curve, c) => this.line(curve, c, x, y));
    this.tab();
  }

  line(curve, c, x, y) {
    const [color, shape, dash] = this.look(curve);
    const path = [];
    curve.values.forEach((v, k) => {
      if (v !== null) path.push(`${x(k + 1)} ${y(100 * v)}`);
    });
    draw("path", { d: "M" + path.join("L"), stroke: color, "stroke-dasharray": dash, class: "curve-line" }, this.svg);
    return curve.values.map((v, k) => {
      if (v === null) return null;
      const text = this.text(curve, k);
      const point = draw("g", { class: "curve-point", role: "img", "aria-label": text, tabindex: -1 }, this.svg);
      draw("circle", { cx: x(k + 1), cy: y(100 * v), r: 12, class: "ntx-hit" }, point);
      draw("path", { d: shapePath(shape, x(k + 1), y(100 * v), 5), fill: color }, point);
      const tell = () => (this.detail.textContent = text);
      point.addEventListener("pointerenter", tell);
      point.addEventListener("focus", () => {
        this.focused = [c, k];
        this.tab();
        tell();
      });
      point.addEventListener("keydown", (event) => this.onKey(event));
      return point;
    });
  }

  text(curve, k) {
    const value = (100 * curve.values[k]).toFixed(1);
    return `${upperFirst(curve.name)}, ${k + 1} of ${curve.values.length} suppressed: ${value} % of the answer's probability is lost.`;
  }

  /** The points are one stop of the tab key; arrows move along a curve and between curves. */
  onKey(event) {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const c = Math.min(Math.max(this.focused[0] + step[0], 0), this.curves.length - 1);
    const k = Math.min(Math.max(this.focused[1] + step[1], 0), this.points[c].length - 1);
    if (this.points[c][k]) this.points[c][k].focus();
  }

  tab() {
    this.points.forEach((line, c) => line.forEach((point, k) => {
      const here = c === this.focused[0] && k === this.focused[1];
      if (point) point.setAttribute("tabindex", here ? 0 : -1);
    }));
  }

  key(curve) {
    const [color, shape, dash] = this.look(curve);
    const item = make("li");
    const svg = draw("svg", { width: 34, height: 14, "aria-hidden": "true" }, item);
    draw("path", { d: "M1 7L33 7", stroke: color, "stroke-dasharray": dash, class: "curve-line" }, svg);
    draw("path", { d: shapePath(shape, 17, 7, 4.5), fill: color }, svg);
    const there = this.curves.includes(curve);
    const why = !there ? " (no group passed the filter)" : curve.reason ? ` (${curve.reason})` : "";
    item.appendChild(make("span", "", curve.name + why));
    return item;
  }
}
