// In: the rows to show that have a difference to the baseline.
// Out: one chart for each column: a line for each backbone, with its interval.

import { WIDTH, scale, ticks } from "./axes.js";
import { at, make } from "./dom.js";
import { columnOf, columnsOf, rowsShown } from "./rows.js";
import { colours, data } from "./state.js";
import { percent, points, signed } from "./words.js";

const STEP = 44; // height of a backbone's line
const LONGEST = 30; // letters of a backbone's name

function lineOf(row, y, x) {
  const colour = colours[row.backbone];
  const left = x(0) > WIDTH / 2;
  const short = row.backbone.slice(0, LONGEST - 1) + "\u2026";
  const name = row.backbone.length > LONGEST ? short : row.backbone;
  const side = left ? { x: 8, "text-anchor": "start" } : { x: WIDTH - 8, "text-anchor": "end" };
  const [low, high] = [x(row.difference_low), x(row.difference_high)];
  const bar = { stroke: colour, "stroke-width": 3, "stroke-linecap": "round" };
  const dot = { fill: row.sure ? colour : "var(--paper)", stroke: colour, "stroke-width": 2.5 };
  return [
    make("text", { class: "name", ...side, y: y - 14 }, `${name} ${signed(row.difference)}`),
    make("line", { x1: low, x2: high, y1: y, y2: y, ...bar }),
    make("circle", { cx: x(row.difference), cy: y, r: 5.5, ...dot }),
  ];
}

function chartOf(key, rows) {
  const low = Math.min(0, ...rows.map((row) => row.difference_low));
  const high = Math.max(0, ...rows.map((row) => row.difference_high));
  const pad = (high - low || 1) * 0.06;
  const height = rows.length * STEP + 26;
  const x = scale(low - pad, high + pad, 8, WIDTH - 8);
  const told = rows.map((row) => `${row.backbone} ${signed(row.difference)}`).join(", ");
  const label = `${data.titles[key]}: ${told}`;
  const box = `0 0 ${WIDTH} ${height}`;
  const chart = make("svg", { viewBox: box, role: "img", "aria-label": label });
  const upright = (kind, value) =>
    make("line", { class: kind, x1: x(value), x2: x(value), y1: 0, y2: height - 22 });
  const marks = ticks(low - pad, high + pad);
  for (const value of marks.values) {
    const place = { x: x(value), y: height - 6, "text-anchor": "middle" };
    chart.append(upright("axis", value));
    chart.append(make("text", place, points(value, marks.digits)));
  }
  chart.append(upright("zero", 0));
  for (const [index, row] of rows.entries()) chart.append(...lineOf(row, index * STEP + 30, x));
  return make("figure", {}, make("figcaption", {}, data.titles[key]), chart);
}

export function drawDifferences() {
  const rows = rowsShown().filter((row) => row.difference !== null);
  at("differences-part").hidden = rows.length === 0;
  at("differences-text").textContent =
    `How far each backbone lies above ${data.baseline}, in points, with the ${percent} interval. ` +
    "An interval that crosses the line at zero says that these images cannot tell the two apart.";
  const charts = columnsOf(rows).map((key) => {
    const mine = rows.filter((row) => columnOf(row) === key);
    return chartOf(key, mine);
  });
  at("differences").replaceChildren(...charts);
}
