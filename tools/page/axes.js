// Axes: what all charts have in common - places, colours, scales, and one panel of a chart.
const WIDTH = 300,
  HEIGHT = 190,
  LEFT = 44,
  RIGHT = 10,
  TOP = 10,
  BOTTOM = 30;
const COLOURS = 8;
const where = (dataset, split) => (split ? `${dataset}, ${split}` : dataset);
let colours = new Map(); // of each label, the same in every chart

const colour = (label) => `var(--line-${colours.get(label) % COLOURS})`;
const dash = (label) => (colours.get(label) >= COLOURS ? "1 3" : null);

function legend(box, labels) {
  box.replaceChildren(
    ...labels.map((label) => made("span", {}, made("i", { style: `background:${colour(label)}` }), label)),
  );
}

function scale(values, from, to, logarithmic = false) {
  const f = logarithmic ? Math.log10 : (x) => x;
  const least = f(Math.min(...values)),
    most = f(Math.max(...values)),
    width = most - least || 1;
  return (value) => from + ((to - from) * (f(value) - least)) / width;
}

// About `count` round numbers from `least` to `most`.
function ticks(least, most, count = 4) {
  const rough = (most - least || 1) / count,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((found) => found >= rough);
  const found = [];
  for (let tick = Math.ceil(least / step) * step; tick <= most + step * 1e-6; tick += step)
    found.push(+tick.toPrecision(12));
  return found;
}

function logTicks(least, most) {
  const found = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power += 1) {
    for (const factor of [1, 2, 5]) found.push(+(factor * 10 ** power).toPrecision(3));
  }
  const inside = found.filter((tick) => tick >= least && tick <= most);
  return inside.length > 5 ? inside.filter((tick) => /^[0.]*1/.test(String(tick))) : inside;
}

function panel(title, x, y, xTicks, yTicks, marks, xTitle, yUnit = "") {
  const floor = HEIGHT - BOTTOM;
  const axes = [
    ...yTicks.flatMap((tick) => [
      drawn("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
      drawn("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, short(tick) + yUnit),
    ]),
    ...xTicks.map((tick) =>
      drawn("text", { x: x(tick), y: floor + 14, "text-anchor": "middle" }, short(tick)),
    ),
    drawn("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: floor, y2: floor }),
    drawn(
      "text",
      { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle", class: "title" },
      xTitle,
    ),
  ];
  return made(
    "figure",
    {},
    made("figcaption", {}, ...breakable(title)),
    drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, axes, marks),
  );
}

const sideways = (values) => scale(values, LEFT + 8, WIDTH - RIGHT - 8);
const upwards = (values, logarithmic) => scale(values, HEIGHT - BOTTOM, TOP, logarithmic);

function byPlace(rows) {
  const groups = new Map();
  for (const row of rows) {
    const name = where(row.dataset, row.split);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return groups;
}
