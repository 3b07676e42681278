/* The persistence diagram and the barcode, drawn as SVG and linked with the graph. */

const MOST_BARS = 60;
const NOTHING = { onEnter() {}, onLeave() {}, onPick() {} };

class Charts {
  /** `events` has onEnter(bar), onLeave(), onPick(bar); bars are rows of `data.bars`. */
  constructor(diagram, barcode, events) {
    this.diagram = diagram;
    this.barcode = barcode;
    this.events = events || NOTHING;
    this.focused = 0;
  }

  show(data) {
    this.data = data;
    const { birth, death } = data.bars;
    const last = (bar) => (death[bar] === null ? Infinity : death[bar]);
    this.bars = Array.from(birth.keys())
      .slice(0, MOST_BARS)
      .sort((a, b) => birth[a] - birth[b] || last(a) - last(b) || a - b);
    this.focused = 0;
  }

  /** Draw both anew: for other data, another scale or another width. */
  render(scale, look) {
    this.scale = scale;
    this.marks = new Map();
    this.points = new Map();
    this.renderDiagram(look);
    this.renderBarcode(look);
  }

  renderDiagram(look) {
    const { bars } = this.data;
    const svg = this.diagram;
    svg.replaceChildren();
    const width = Math.max(svg.parentNode.clientWidth, 120);
    const height = Math.min(Math.max(width * 0.72, 220), 330);
    resize(svg, width, height);
    const left = 52;
    const right = width - 12;
    const top = 30;
    const bottom = height - 38;
    const across = (r) => left + this.scale.place(r) * (right - left);
    const up = (r) => (r === null ? 12 : bottom - this.scale.place(r) * (bottom - top));
    draw("path", { d: `M${left} ${bottom}L${right} ${top}L${right} ${bottom}Z`, class: "ntx-shade" }, svg);
    this.quadrant = draw("rect", { class: "ntx-alive-area", x: left, y: 0, width: 0, height: 0 }, svg);
    axis(svg, this.scale, (r) => across(r), bottom, left, right, Math.floor(width / 90));
    for (const tick of spread(this.scale.ticks(5), up, 15)) {
      draw("line", { x1: left - 4, x2: left, y1: up(tick), y2: up(tick), class: "ntx-tick" }, svg);
      label(svg, left - 8, up(tick) + 4, radiusText(tick), "end");
    }
    draw("line", { x1: left, x2: left, y1: bottom, y2: 6, class: "ntx-tick" }, svg);
    draw("line", { x1: left, x2: right, y1: 12, y2: 12, class: "ntx-never" }, svg);
    label(svg, left - 8, 16, INFINITE, "end");
    label(svg, (left + right) / 2, height - 4, "birth", "middle");
    const name = label(svg, 0, 0, "death", "middle");
    name.setAttribute("transform", `translate(11 ${(top + bottom) / 2}) rotate(-90)`);
    this.drawThreshold(svg, across, up);
    for (let bar = bars.birth.length - 1; bar >= 0; bar -= 1) {
      const chosen = bars.chosen[bar] >= 0;
      const number = look(bar);
      const place = [across(bars.birth[bar]), up(bars.death[bar])];
      const point = draw("path", {
        d: shapePath(shapeOf(number), place[0], place[1], chosen ? 6 : 3.5),
        fill: colorOf(number),
        class: "ntx-point" + (chosen ? " ntx-chosen" : ""),
        "data-bar": bar,
      }, svg);
      this.listen(point, bar);
      this.points.set(bar, point);
    }
    this.lineBirth = draw("line", { class: "ntx-now-line", y1: 6, y2: bottom }, svg);
    this.lineDeath = draw("line", { class: "ntx-now-line", x1: left, x2: right }, svg);
    this.across = across;
    this.up = up;
    this.frame = { left, right, top, bottom };
  }

  /** Draw the line above which clusters are chosen. */
  drawThreshold(svg, across, up) {
    const threshold = this.data.threshold;
    if (!threshold) return;
    const { value, scale, unit } = threshold;
    const parts = [];
    for (let k = 0; k <= 60; k += 1) {
      const birth = this.scale.radius(k / 60);
      const death = scale === "log" ? Math.max(birth, unit) * Math.exp(value) : birth + value;
      if (death > this.scale.high) break;
      parts.push(`${across(birth).toFixed(1)} ${up(death).toFixed(1)}`);
    }
    if (parts.length > 1) draw("path", { d: "M" + parts.join("L"), class: "ntx-threshold" }, svg);
  }

  renderBarcode(look) {
    const { bars } = this.data;
    const svg = this.barcode;
    svg.replaceChildren();
    const n = this.bars.length;
    const width = Math.max(svg.parentNode.clientWidth, 120);
    const usual = n > 40 ? 7 : n > 20 ? 10 : n > 10 ? 14 : 18;
    const rows = this.bars.map((bar) => (bars.chosen[bar] >= 0 ? Math.max(usual, 14) : usual));
    const left = 52;
    const right = width - 12;
    const bottom = rows.reduce((sum, row) => sum + row, n ? 6 : 30);
    let below = 6;
    resize(svg, width, bottom + 38);
    svg.setAttribute("role", n ? "listbox" : "img");
    const across = (r) => left + this.scale.place(r) * (right - left);
    axis(svg, this.scale, across, bottom, left, right, Math.floor(width / 90));
    label(svg, (left + right) / 2, bottom + 34, "radius R", "middle");
    if (!n) label(svg, (left + right) / 2, bottom / 2 + 8, "no cluster", "middle");
    this.bars.forEach((bar, k) => {
      const row = rows[k];
      const y = below;
      below += row;
      const chosen = bars.chosen[bar] >= 0;
      const never = bars.death[bar] === null;
      const x = across(bars.birth[bar]);
      const end = never ? right : across(bars.death[bar]);
      const thick = chosen ? row - 2 : Math.max(row - 6, 3.5);
      const group = draw("g", {
        class: "ntx-bar" + (chosen ? " ntx-chosen" : ""),
        role: "option",
        tabindex: k === this.focused ? 0 : -1,
        "aria-label": this.describe(bar),
        "aria-selected": "false",
        "data-bar": bar,
      }, svg);
      // the whole row takes the pointer, so that short bars can be hit
      draw("rect", { x: 0, y, width, height: row, class: "ntx-hit" }, group);
      const from = y + (row - thick) / 2;
      const long = Math.max(end - x, 2);
      draw("rect", { x, y: from, width: long, height: thick, fill: colorOf(look(bar)), class: "ntx-body" }, group);
      if (never) {
        draw("path", { d: `M${right} ${y}L${right + 8} ${y + row / 2}L${right} ${y + row}Z`, fill: colorOf(look(bar)) }, group);
      }
      if (chosen) {
        const number = bars.chosen[bar];
        draw("path", { d: shapePath(shapeOf(number), left - 12, y + row / 2, 4), fill: colorOf(number), class: "ntx-key" }, group);
        label(group, left - 22, y + row / 2 + 4, String(number), "end");
      }
      this.listen(group, bar);
      group.addEventListener("focus", () => {
        this.moveFocus(k, false);
        this.events.onEnter(bar);
      });
      group.addEventListener("blur", () => this.events.onLeave());
      group.addEventListener("keydown", (event) => this.onKey(event, k, bar));
      this.marks.set(bar, group);
    });
    this.lineBar = draw("line", { class: "ntx-now-line", y1: 2, y2: bottom }, svg);
    this.acrossBars = across;
  }

  describe(bar) {
    const { bars } = this.data;
    const name = bars.chosen[bar] >= 0 ? `${chosenName(this.data)} ${bars.chosen[bar]}, ` : "";
    return (
      `${name}${countedOf(this.data, bars.size[bar])}, born at ${radiusText(bars.birth[bar])}, ` +
      (bars.death[bar] === null ? "never dies" : `dies at ${radiusText(bars.death[bar])}`)
    );
  }

  listen(element, bar) {
    element.addEventListener("pointerenter", () => this.events.onEnter(bar));
    element.addEventListener("pointerleave", () => this.events.onLeave());
    element.addEventListener("click", () => this.events.onPick(bar));
  }

  onKey(event, k, bar) {
    const last = this.bars.length - 1;
    const next = { ArrowDown: k + 1, ArrowUp: k - 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" || event.key === " ") this.events.onPick(bar);
    else if (next !== undefined) this.moveFocus(Math.min(Math.max(next, 0), last), true);
    else return;
    event.preventDefault();
  }

  /** Bars are one stop of the tab key; arrows move between them. */
  moveFocus(k, focus) {
    const groups = this.bars.map((bar) => this.marks.get(bar));
    groups[this.focused].setAttribute("tabindex", -1);
    this.focused = k;
    groups[k].setAttribute("tabindex", 0);
    if (focus) groups[k].focus();
  }

  /** Move the lines to R and mark what lives there. */
  moveTo(radius) {
    const { bars } = this.data;
    const { left, right, bottom } = this.frame;
    const x = this.across(radius);
    const y = this.up(radius);
    place(this.lineBirth, { x1: x, x2: x });
    place(this.lineDeath, { y1: y, y2: y });
    place(this.quadrant, { x: left, y: 2, width: x - left, height: Math.max(y - 2, 0) });
    const at = this.acrossBars(radius);
    place(this.lineBar, { x1: at, x2: at });
    place(this.lineDeath, { x1: left, x2: right });
    place(this.lineBirth, { y2: bottom });
    const mark = (element, bar) => {
      const alive = bars.birth[bar] <= radius && (bars.death[bar] === null || bars.death[bar] > radius);
      element.classList.toggle("ntx-alive", alive);
    };
    this.marks.forEach(mark);
    this.points.forEach(mark);
  }

  /** Mark the bar and the point of one cluster, and those pinned. */
  light(lit, pinned) {
    for (const elements of [this.marks, this.points]) {
      elements.forEach((element, bar) => {
        element.classList.toggle("ntx-lit", bar === lit);
        element.classList.toggle("ntx-pinned", bar === pinned);
        if (elements === this.marks) element.setAttribute("aria-selected", String(bar === pinned));
      });
    }
  }
}

function place(element, attributes) {
  for (const name of Object.keys(attributes)) element.setAttribute(name, attributes[name]);
}

function resize(svg, width, height) {
  place(svg, { width, height, viewBox: `0 0 ${width} ${height}` });
}

function label(parent, x, y, text, anchor) {
  const element = draw("text", { x, y, "text-anchor": anchor, class: "ntx-text" }, parent);
  element.textContent = text;
  return element;
}

/** Leave out ticks that would stand on one another. */
function spread(ticks, at, apart) {
  const kept = [];
  for (const tick of ticks) {
    if (!kept.length || Math.abs(at(tick) - at(kept[kept.length - 1])) >= apart) kept.push(tick);
  }
  return kept;
}

function axis(svg, scale, across, bottom, left, right, most) {
  draw("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "ntx-tick" }, svg);
  for (const tick of spread(scale.ticks(Math.max(most, 2)), across, 42)) {
    const x = across(tick);
    draw("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "ntx-tick" }, svg);
    label(svg, x, bottom + 17, radiusText(tick), "middle");
  }
}
