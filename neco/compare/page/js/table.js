// In: the rows to show, and the column that the reader sorts by.
// Out: the table, and the sentences around it.

import { at, make } from "./dom.js";
import { columnOf, columnsOf, rowsShown } from "./rows.js";
import { backbones, colours, data, here, state } from "./state.js";
import { percent, points, signed } from "./words.js";

function difference(row) {
  if (row.difference === null) return null;
  const better = row.difference > 0;
  const mark = row.sure ? (better ? " \u25b2" : " \u25bc") : "";
  const range = `[${signed(row.difference_low)}, ${signed(row.difference_high)}]`;
  const kind = row.sure ? (better ? " better" : " worse") : "";
  return make("span", { class: `apart${kind}` }, `${signed(row.difference)} ${range}${mark}`);
}

function cellOf(row) {
  if (!row) return make("td", {}, "\u2013");
  const box = make("td", {}, make("span", { class: "value" }, points(row.value)));
  const range = `${points(row.value_low)} to ${points(row.value_high)}`;
  box.append(make("span", { class: "range" }, range));
  const apart = difference(row);
  if (apart) box.append(apart);
  return box;
}

function sortNames(names, cell) {
  const { key, down } = state.sort;
  const valueOf = (name) => (key === "" ? name : cell[`${name}|${key}`]?.value);
  names.sort((one, other) => {
    const [a, b] = [valueOf(one), valueOf(other)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const order = key === "" ? a.localeCompare(b) : a - b;
    return down ? -order : order;
  });
}

function headOf(columns) {
  const head = make("tr");
  for (const [index, key] of columns.entries()) {
    const sorted = state.sort && state.sort.key === key;
    const name = key === "" ? "Backbone" : data.titles[key];
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      const down = sorted ? !state.sort.down : key !== "";
      state.sort = { key, down };
      drawTable();
      at("numbers").querySelectorAll("th button")[index].focus();
    });
    const way = sorted ? (state.sort.down ? "descending" : "ascending") : "none";
    head.append(make("th", { scope: "col", "aria-sort": way }, button));
  }
  return head;
}

export function drawTable() {
  const rows = rowsShown();
  const columns = columnsOf(rows);
  const cell = {};
  for (const row of rows) cell[`${row.backbone}|${columnOf(row)}`] = row;
  if (state.sort && state.sort.key !== "" && !columns.includes(state.sort.key)) state.sort = null;
  const names = backbones.filter((name) => rows.some((row) => row.backbone === name));
  if (state.sort) sortNames(names, cell);
  at("numbers").tHead.replaceChildren(headOf(["", ...columns]));
  const lines = names.map((name) => {
    const line = make("tr", { class: name === data.baseline ? "baseline" : null });
    const dot = make("span", { class: "dot", style: `background:${colours[name]}` });
    line.append(make("td", {}, dot, name));
    line.append(...columns.map((key) => cellOf(cell[`${name}|${key}`])));
    return line;
  });
  at("numbers").tBodies[0].replaceChildren(...lines);
}

function imagesInWords(set) {
  if (!set.labelled) return `${set.val_images} images without labels`;
  const train = set.train_images ? ` and ${set.train_images} training images` : "";
  return `${set.val_images} held-out images${train} with ${set.classes.length} classes`;
}

function drawLeftOut() {
  const reasons = new Map();
  for (const one of data.left_out.filter((other) => other.dataset === here().name)) {
    const key = JSON.stringify([one.backbone, one.reason]);
    reasons.set(key, [...(reasons.get(key) ?? []), one.protocol]);
  }
  const lines = [...reasons].map(([key, protocols]) => {
    const [backbone, reason] = JSON.parse(key);
    const whose = backbone ? `${backbone}: ` : "";
    return make("li", {}, `${whose}no ${protocols.join(", ")}, because ${reason}.`);
  });
  at("left-out").replaceChildren(...lines);
}

export function drawNumbers() {
  const said = here().said.map((line) => `${line}.`);
  at("numbers-text").textContent = `Measured on ${imagesInWords(here())}. ${said.join(" ")}`;
  at("numbers-key").textContent =
    "In every cell: the number in percent (mIoU; for consistency the shared neighbours), its " +
    `${percent} interval, and the difference to ${data.baseline} in points with its own ` +
    `${percent} interval. \u25b2 and \u25bc mark a difference whose interval does not hold zero. ` +
    `Both intervals come from ${data.replicas} draws of the images, the same for every backbone.`;
  drawLeftOut();
  drawTable();
}
