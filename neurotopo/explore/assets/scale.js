/* Radii on an axis from 0 to a little beyond the end, and how they are written. */

const ZERO_GAP = 0.06; // share of a logarithmic axis from 0 to the smallest positive radius
const INFINITE = "\u221e";

/** Write a radius in four significant digits; null is never. */
function radiusText(radius) {
  if (radius === null || radius === Infinity) return INFINITE;
  return String(Number(radius.toPrecision(4)));
}

class Scale {
  constructor(low, end, log) {
    this.low = low;
    this.log = log && low !== null && end > low;
    this.high = end > 0 ? (this.log ? end * Math.pow(end / low, 0.04) : end * 1.06) : 1;
  }

  /** Place a radius between 0 and 1. */
  place(radius) {
    if (radius === null || radius === Infinity) return 1;
    if (!this.log) return Math.min(Math.max(radius / this.high, 0), 1);
    if (radius <= this.low) return (ZERO_GAP * Math.max(radius, 0)) / this.low;
    const share = Math.log(radius / this.low) / Math.log(this.high / this.low);
    return Math.min(ZERO_GAP + (1 - ZERO_GAP) * share, 1);
  }

  /** Return the radius at a place between 0 and 1. */
  radius(place) {
    if (!this.log) return place * this.high;
    if (place <= ZERO_GAP) return (place / ZERO_GAP) * this.low;
    return this.low * Math.pow(this.high / this.low, (place - ZERO_GAP) / (1 - ZERO_GAP));
  }

  /** Return a radius well inside a life. */
  between(birth, death) {
    return this.radius((this.place(birth) + this.place(death)) / 2);
  }

  /** Return about `most` round radii to write on the axis. */
  ticks(most) {
    if (!this.log) return [0, ...steps(0, this.high, most).filter((r) => r > 0)];
    const first = Math.floor(Math.log10(this.low));
    const last = Math.ceil(Math.log10(this.high));
    const ticks = [];
    const every = Math.max(1, Math.ceil((last - first) / most));
    for (let power = first; power <= last; power += every) ticks.push(Number("1e" + power));
    let inside = ticks.filter((r) => r >= this.low && r <= this.high);
    if (inside.length < 3) {
      inside = [];
      for (let power = first; power <= last; power += 1) {
        for (const digit of [1, 2, 5]) inside.push(Number(digit + "e" + power));
      }
      inside = inside.filter((r) => r >= this.low && r <= this.high);
    }
    if (inside.length < 2) inside = steps(this.low, this.high, most).filter((r) => r >= this.low);
    return [0, ...inside.slice(0, 3 * most)];
  }
}

/** Return multiples of 1, 2 or 5 times a power of ten in a range. */
function steps(low, high, most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((s) => s >= rough) || rough;
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) {
    ticks.push(Number((k * step).toPrecision(10)));
  }
  return ticks;
}

/* Colours (of Okabe and Ito) and shapes: 42 pairs before one comes again. */
const COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442"];
const SHAPES = ["circle", "square", "up", "diamond", "down", "hexagon"];
const GREY = "#9A9A9A";

function colorOf(number) {
  return number < 0 ? GREY : COLORS[number % COLORS.length];
}

function shapeOf(number) {
  return number < 0 ? "circle" : SHAPES[number % SHAPES.length];
}

/** Corners of a shape of about the area of a circle of radius 1. */
const CORNERS = {
  square: [[-0.89, -0.89], [0.89, -0.89], [0.89, 0.89], [-0.89, 0.89]],
  up: [[0, -1.35], [1.2, 0.85], [-1.2, 0.85]],
  diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  down: [[0, 1.35], [1.2, -0.85], [-1.2, -0.85]],
  hexagon: [[1.1, 0], [0.55, 0.95], [-0.55, 0.95], [-1.1, 0], [-0.55, -0.95], [0.55, -0.95]],
};

/** Add a shape to a canvas path. */
function trace(path, shape, x, y, size) {
  const corners = CORNERS[shape];
  if (!corners) {
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([dx, dy], k) => {
    if (k === 0) path.moveTo(x + dx * size, y + dy * size);
    else path.lineTo(x + dx * size, y + dy * size);
  });
  path.closePath();
}

/** Return a shape as the path of an SVG element. */
function shapePath(shape, x, y, size) {
  const corners = CORNERS[shape];
  if (!corners) {
    return `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`;
  }
  return "M" + corners.map(([dx, dy]) => `${x + dx * size} ${y + dy * size}`).join("L") + "Z";
}
