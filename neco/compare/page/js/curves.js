// In: rows that are one number at several amounts of something.
// Out: a chart for each such number, with a curve for each backbone.

import { WIDTH, scale, ticks } from "./axes.js";
import { at, make } from "./dom.js";
import { backbones, colours, data, here } from "./state.js";
import { points } from "./words.js";

const HEIGHT = 250;

// What the amount is, read from the name of a setting: null where the setting has none.
const KINDS = [
  {
    protocol: "in-context",
    title: "In-context mIoU against the share of training images",
    amount: (setting) => (/^1\/\d+$/.test(setting) ? 1 / Number(setting.slice(2)) : null),
    label: (row) => row.setting,
  },
  {
    protocol: "overcluster",
    title: "Overclustering mIoU against clusters",
    amount: (setting) => {
      if (setting === "K=GT") return here().classes.length;
      return /^K=\d+$/.test(setting) ? Number(setting.slice(2)) : null;
    },
    label: (row) => (row.setting === "K=GT" ? `${row.amount} (classes)` : String(row.amount)),
  },
];

function rowsOf(kind) {
  return data.rows
    .filter((row) => row.dataset === here().name && row.protocol === kind.protocol)
    .map((row) => ({ ...row, amount: kind.amount(row.setting) }))
    .filter((row) => row.amount !== null);
}

function curveOf(name, rows, place, y) {
  const colour = colours[name];
  const path = rows.map((row, index) => `${index ? "L" : "M"}${place(row)} ${y(row.value)}`);
  const line = { d: path.join(""), fill: "none", stroke: colour, "stroke-width": 2 };
  const parts = [make("path", line)];
  for (const row of rows) {
    const x = place(row);
    const range = `${points(row.value_low)} to ${points(row.value_high)}`;
    const told = `${name}, ${row.setting}: ${points(row.value)} (${range})`;
    const ends = { x1: x, x2: x, y1: y(row.value_low), y2: y(row.value_high) };
    parts.push(make("line", { ...ends, stroke: colour, "stroke-width": 1.5, opacity: 0.7 }));
    const dot = { cx: x, cy: y(row.value), r: 4, fill: colour };
    parts.push(make("circle", dot, make("title", {}, told)));
  }
  return parts;
}

function axesOf(kind, rows, amounts, range, x, y) {
  const parts = [];
  const marks = ticks(...range);
  for (const value of marks.values) {
    const ends = { x1: 38, x2: WIDTH - 16, y1: y(value), y2: y(value) };
    const place = { x: 32, y: y(value) + 4, "text-anchor": "end" };
    parts.push(make("line", { class: "axis", ...ends }));
    parts.push(make("text", place, points(value, marks.digits)));
  }
  for (const amount of amounts) {
    const row = rows.find((one) => one.amount === amount);
    const place = { x: x(Math.log(amount)), y: HEIGHT - 24, "text-anchor": "middle" };
    parts.push(make("text", place, kind.label(row)));
  }
  return parts;
}

function legendOfBackbones() {
  const lines = backbones.map((name) =>
    make("li", {}, make("i", { style: `background:${colours[name]}` }), name),
  );
  return make("ul", { class: "legend" }, ...lines);
}

// Null where a number was measured at fewer than two amounts.
function curvesOf(kind) {
  const rows = rowsOf(kind);
  const amounts = [...new Set(rows.map((row) => row.amount))].sort((a, b) => a - b);
  if (amounts.length < 2) return null;
  const low = Math.min(...rows.map((row) => row.value_low));
  const high = Math.max(...rows.map((row) => row.value_high));
  const pad = (high - low || 1) * 0.06;
  const range = [low - pad, high + pad];
  const ends = [amounts[0], amounts.at(-1)].map(Math.log);
  const x = scale(...ends, 56, WIDTH - 34);
  const y = scale(...range, HEIGHT - 44, 8);
  const told = rows.map((row) => `${row.backbone} ${row.setting} ${points(row.value)}`);
  const label = `${kind.title}: ${told.join(", ")}`;
  const box = `0 0 ${WIDTH} ${HEIGHT}`;
  const chart = make("svg", { viewBox: box, role: "img", "aria-label": label });
  chart.append(...axesOf(kind, rows, amounts, range, x, y));
  for (const [number, name] of backbones.entries()) {
    const mine = rows.filter((row) => row.backbone === name).sort((a, b) => a.amount - b.amount);
    const aside = (number - (backbones.length - 1) / 2) * 4; // so that equal points both show
    const place = (row) => x(Math.log(row.amount)) + aside;
    if (mine.length) chart.append(...curveOf(name, mine, place, y));
  }
  return make("figure", {}, make("figcaption", {}, kind.title), chart, legendOfBackbones());
}

export function drawCurves() {
  const drawn = KINDS.map(curvesOf).filter((chart) => chart !== null);
  at("curves-part").hidden = drawn.length === 0;
  at("curves").replaceChildren(...drawn);
}
