"use strict";
// Everything on the page comes from the JSON in it; nothing is asked for from anywhere else.

const data = JSON.parse(document.getElementById("data").textContent);
const backbones = data.backbones.map((one) => one.name);
const colours = Object.fromEntries(data.backbones.map((one) => [one.name, one.colour]));
const state = { dataset: 0, image: 0, x: 0.5, y: 0.5, layer: null, sort: null };
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, ...children) {
  const drawn = ["svg", "line", "circle", "text", "path", "title"].includes(name);
  const node = drawn ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const points = (value, digits = 1) => (value + 0).toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
// A value that rounds to zero but is none keeps more digits, so that its sign shows.
const fine = (value) => (value !== 0 && Math.abs(value) < 0.05 ? 3 : 1);
const signed = (value) => (value < 0 ? "\u2212" : "+") + points(Math.abs(value), fine(value));
const percent = `${+(100 * data.level).toFixed(3)} %`;
const here = () => data.datasets[state.dataset];

// ---------------------------------------------------------------- numbers

function rowsShown() {
  const every = at("every-setting").checked;
  return data.rows.filter((row) => row.dataset === here().name && (every || row.headline));
}

function columnsOf(rows) {
  return [...new Set(rows.map((row) => `${row.protocol}|${row.setting}`))];
}

function apart(row) {
  if (row.difference === null) return null;
  const better = row.difference > 0;
  const mark = row.sure ? (better ? " \u25b2" : " \u25bc") : "";
  const text = `${signed(row.difference)} [${signed(row.difference_low)}, ${signed(row.difference_high)}]${mark}`;
  return make("span", { class: "apart" + (row.sure ? (better ? " better" : " worse") : "") }, text);
}

function drawTable() {
  const rows = rowsShown();
  const columns = columnsOf(rows);
  const cell = {};
  for (const row of rows) cell[`${row.backbone}|${row.protocol}|${row.setting}`] = row;
  if (state.sort && state.sort.key !== "" && !columns.includes(state.sort.key)) state.sort = null;
  const names = backbones.filter((name) => rows.some((row) => row.backbone === name));
  if (state.sort) {
    const { key, down } = state.sort;
    const valueOf = (name) => (key === "" ? name : cell[`${name}|${key}`]?.value);
    names.sort((one, other) => {
      const [a, b] = [valueOf(one), valueOf(other)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      const order = key === "" ? a.localeCompare(b) : a - b;
      return down ? -order : order;
    });
  }
  const head = make("tr");
  for (const key of ["", ...columns]) {
    const sorted = state.sort && state.sort.key === key;
    const button = make("button", { type: "button" }, key === "" ? "Backbone" : data.titles[key]);
    button.addEventListener("click", () => {
      const down = sorted ? !state.sort.down : key !== "";
      state.sort = { key, down };
      drawTable();
      at("numbers").querySelectorAll("th button")[["", ...columns].indexOf(key)].focus();
    });
    const way = sorted ? (state.sort.down ? "descending" : "ascending") : "none";
    head.append(make("th", { scope: "col", "aria-sort": way }, button));
  }
  at("numbers").tHead.replaceChildren(head);
  at("numbers").tBodies[0].replaceChildren(...names.map((name) => {
    const line = make("tr", { class: name === data.baseline ? "baseline" : null });
    line.append(make("td", {}, make("span", { class: "dot", style: `background:${colours[name]}` }), name));
    for (const key of columns) {
      const row = cell[`${name}|${key}`];
      if (!row) { line.append(make("td", {}, "\u2013")); continue; }
      const box = make("td", {}, make("span", { class: "value" }, points(row.value)));
      box.append(make("span", { class: "range" }, `${points(row.value_low)} to ${points(row.value_high)}`));
      const difference = apart(row);
      if (difference) box.append(difference);
      line.append(box);
    }
    return line;
  }));
}

function drawNumbers() {
  const set = here();
  const of = set.labelled
    ? `${set.val_images} held-out images${set.train_images ? ` and ${set.train_images} training images` : ""} with ${set.classes.length} classes`
    : `${set.val_images} images without labels`;
  at("numbers-text").textContent = `Measured on ${of}. ${set.said.map((line) => line + ".").join(" ")}`;
  at("numbers-key").textContent =
    "In every cell: the number in percent (mIoU; for consistency the shared neighbours), its "
    + `${percent} interval, and the difference to ${data.baseline} in points with its own ${percent} `
    + "interval. \u25b2 and \u25bc mark a difference whose interval does not hold zero. Both intervals "
    + `come from ${data.replicas} draws of the images, the same for every backbone.`;
  const reasons = new Map();
  for (const one of data.left_out.filter((other) => other.dataset === set.name)) {
    const key = JSON.stringify([one.backbone, one.reason]);
    reasons.set(key, [...(reasons.get(key) ?? []), one.protocol]);
  }
  at("left-out").replaceChildren(...[...reasons].map(([key, protocols]) => {
    const [backbone, reason] = JSON.parse(key);
    return make("li", {}, `${backbone ? backbone + ": " : ""}no ${protocols.join(", ")}, because ${reason}.`);
  }));
  drawTable();
}

// ---------------------------------------------------------------- charts

function scale(low, high, from, to) {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

function ticks(low, high) {
  const rough = (high - low || 1) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step);
  return { values: found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function drawDifferences() {
  const rows = rowsShown().filter((row) => row.difference !== null);
  at("differences-part").hidden = rows.length === 0;
  at("differences-text").textContent =
    `How far each backbone lies above ${data.baseline}, in points, with the ${percent} interval. `
    + "An interval that crosses the line at zero says that these images cannot tell the two apart.";
  at("differences").replaceChildren(...columnsOf(rows).map((key) => {
    const mine = rows.filter((row) => `${row.protocol}|${row.setting}` === key);
    const low = Math.min(0, ...mine.map((row) => row.difference_low));
    const high = Math.max(0, ...mine.map((row) => row.difference_high));
    const pad = (high - low || 1) * 0.06;
    const width = 380, step = 44, height = mine.length * step + 26;
    const x = scale(low - pad, high + pad, 8, width - 8);
    const told = mine.map((row) => `${row.backbone} ${signed(row.difference)}`).join(", ");
    const chart = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${data.titles[key]}: ${told}` });
    const marks = ticks(low - pad, high + pad);
    for (const value of marks.values) {
      chart.append(make("line", { class: "axis", x1: x(value), x2: x(value), y1: 0, y2: height - 22 }));
      chart.append(make("text", { x: x(value), y: height - 6, "text-anchor": "middle" }, points(value, marks.digits)));
    }
    chart.append(make("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: height - 22 }));
    mine.forEach((row, index) => {
      const y = index * step + 30;
      const colour = colours[row.backbone];
      const left = x(0) > width / 2;
      chart.append(make("text", { class: "name", x: left ? 8 : width - 8, y: y - 14, "text-anchor": left ? "start" : "end" },
        `${row.backbone.length > 30 ? row.backbone.slice(0, 29) + "\u2026" : row.backbone} ${signed(row.difference)}`));
      chart.append(make("line", { x1: x(row.difference_low), x2: x(row.difference_high), y1: y, y2: y, stroke: colour, "stroke-width": 3, "stroke-linecap": "round" }));
      chart.append(make("circle", { cx: x(row.difference), cy: y, r: 5.5, fill: row.sure ? colour : "var(--paper)", stroke: colour, "stroke-width": 2.5 }));
    });
    return make("figure", {}, make("figcaption", {}, data.titles[key]), chart);
  }));
}

// Settings that are one number at several amounts: fractions of the training images, clusters.
const AMOUNTS = [
  { protocol: "in-context", title: "In-context mIoU against the share of training images",
    amount: (setting) => (/^1\/\d+$/.test(setting) ? 1 / Number(setting.slice(2)) : null), label: (row) => row.setting },
  { protocol: "overcluster", title: "Overclustering mIoU against clusters",
    amount: (setting, set) => (setting === "K=GT" ? set.classes.length : /^K=\d+$/.test(setting) ? Number(setting.slice(2)) : null),
    label: (row, amount) => (row.setting === "K=GT" ? `${amount} (classes)` : String(amount)) },
];

function drawCurves() {
  const drawn = [];
  for (const kind of AMOUNTS) {
    const rows = data.rows.filter((row) => row.dataset === here().name && row.protocol === kind.protocol)
      .map((row) => ({ ...row, amount: kind.amount(row.setting, here()) })).filter((row) => row.amount !== null);
    const amounts = [...new Set(rows.map((row) => row.amount))].sort((a, b) => a - b);
    if (amounts.length < 2) continue;
    const low = Math.min(...rows.map((row) => row.value_low)), high = Math.max(...rows.map((row) => row.value_high));
    const pad = (high - low || 1) * 0.06, width = 380, height = 250;
    const x = scale(Math.log(amounts[0]), Math.log(amounts.at(-1)), 56, width - 34);
    const y = scale(low - pad, high + pad, height - 44, 8);
    const told = rows.map((row) => `${row.backbone} ${row.setting} ${points(row.value)}`).join(", ");
    const chart = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${kind.title}: ${told}` });
    const marks = ticks(low - pad, high + pad);
    for (const value of marks.values) {
      chart.append(make("line", { class: "axis", x1: 38, x2: width - 16, y1: y(value), y2: y(value) }));
      chart.append(make("text", { x: 32, y: y(value) + 4, "text-anchor": "end" }, points(value, marks.digits)));
    }
    for (const amount of amounts) {
      const row = rows.find((one) => one.amount === amount);
      chart.append(make("text", { x: x(Math.log(amount)), y: height - 24, "text-anchor": "middle" }, kind.label(row, amount)));
    }
    backbones.forEach((name, number) => {
      const mine = rows.filter((row) => row.backbone === name).sort((a, b) => a.amount - b.amount);
      if (!mine.length) return;
      const aside = (number - (backbones.length - 1) / 2) * 4;
      const place = (row) => x(Math.log(row.amount)) + aside;
      const line = mine.map((row, index) => `${index ? "L" : "M"}${place(row)} ${y(row.value)}`).join("");
      chart.append(make("path", { d: line, fill: "none", stroke: colours[name], "stroke-width": 2 }));
      for (const row of mine) {
        chart.append(make("line", { x1: place(row), x2: place(row), y1: y(row.value_low), y2: y(row.value_high), stroke: colours[name], "stroke-width": 1.5, opacity: 0.7 }));
        chart.append(make("circle", { cx: place(row), cy: y(row.value), r: 4, fill: colours[name] },
          make("title", {}, `${name}, ${row.setting}: ${points(row.value)} (${points(row.value_low)} to ${points(row.value_high)})`)));
      }
    });
    const legend = make("ul", { class: "legend" }, ...backbones.map((name) => make("li", {}, make("i", { style: `background:${colours[name]}` }), name)));
    drawn.push(make("figure", {}, make("figcaption", {}, kind.title), chart, legend));
  }
  at("curves-part").hidden = drawn.length === 0;
  at("curves").replaceChildren(...drawn);
}

// ---------------------------------------------------------------- images and overlays

function layersOf(set) {
  const found = [];
  if (Object.values(set.shown).some((one) => one.predictions)) found.push(["predictions", "predicted classes"]);
  found.push(["clusters", `${data.clusters} clusters`]);
  found.push(["none", "image alone"]);
  return found;
}

function drawStrip() {
  at("strip").replaceChildren(...here().images.map((image, index) => {
    const button = make("button", { type: "button", "aria-pressed": String(index === state.image), "aria-label": `Image ${index + 1}: ${image.id}` },
      make("img", { src: image.src, alt: "", width: image.width, height: image.height }));
    button.addEventListener("click", () => { state.image = index; drawImage(); });
    return button;
  }));
}

function drawLayers() {
  const layers = layersOf(here());
  if (!layers.some(([key]) => key === state.layer)) state.layer = layers[0][0];
  at("layers").replaceChildren(...layers.map(([key, name]) => {
    const input = make("input", { type: "radio", name: "layer", value: key, checked: key === state.layer });
    input.addEventListener("change", () => { state.layer = key; drawOverlays(); });
    return make("label", {}, input, ` ${name}`);
  }));
}

function panel(image, over, caption, cells) {
  const stack = make("div", { class: "stack" + (cells ? " grey" : "") },
    make("img", { class: "under", src: image.src, alt: over ? "" : `Image ${image.id}`, width: image.width, height: image.height }));
  if (over) stack.append(make("img", { class: "over" + (cells ? " cells" : ""), src: over, alt: `${caption}, over image ${image.id}` }));
  return make("figure", {}, stack, make("figcaption", {}, caption));
}

function drawOverlays() {
  const set = here(), image = set.images[state.image], cells = state.layer === "clusters";
  const first = state.layer === "predictions" ? panel(image, image.truth, "ground truth", false) : panel(image, null, "image", false);
  const others = state.layer === "none" ? [] : backbones.map((name) => {
    const maps = set.shown[name][state.layer];
    return panel(image, maps ? maps[state.image] : null, maps ? name : `${name}: no prediction`, cells && maps);
  });
  at("overlays").replaceChildren(first, ...others);
  const legend = state.layer === "predictions" ? set.legend : [];
  at("legend").replaceChildren(...legend.map((one) => make("li", {}, make("i", { style: `background:${one.colour}` }), one.name)));
}

// ---------------------------------------------------------------- nearest patches

const decoded = new Map();

function tokensOf(set, name) {
  const key = `${set.name}|${name}`;
  if (decoded.has(key)) return decoded.get(key);
  const shown = set.shown[name];
  const text = atob(shown.numbers);
  const bytes = new Int8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = (text.charCodeAt(n) << 24) >> 24;
  const size = shown.dimensions, count = bytes.length / size;
  const values = new Float64Array(bytes.length), lengths = new Float64Array(count);
  for (let p = 0; p < count; p++) {
    let sum = 0;
    for (let d = 0; d < size; d++) {
      const value = bytes[p * size + d] * shown.scales[d];
      values[p * size + d] = value;
      sum += value * value;
    }
    lengths[p] = Math.sqrt(sum);
  }
  const tokens = { values, lengths, size, count, rows: shown.grid[0], columns: shown.grid[1] };
  decoded.set(key, tokens);
  return tokens;
}

function cosines(tokens, query) {
  const { values, lengths, size, count } = tokens;
  const found = new Float64Array(count);
  for (let p = 0; p < count; p++) {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += values[query * size + d] * values[p * size + d];
    found[p] = sum / (lengths[query] * lengths[p] || 1);
  }
  return found;
}

function placeOf(tokens, patch) {
  const each = tokens.rows * tokens.columns, cell = patch % each;
  return { image: Math.floor(patch / each), row: Math.floor(cell / tokens.columns), column: cell % tokens.columns };
}

function patchAt(tokens, image, x, y) {
  const row = Math.min(Math.floor(y * tokens.rows), tokens.rows - 1);
  const column = Math.min(Math.floor(x * tokens.columns), tokens.columns - 1);
  return image * tokens.rows * tokens.columns + row * tokens.columns + column;
}

function nearest(tokens, found, query, count, others) {
  const own = placeOf(tokens, query).image;
  const order = [];
  for (let p = 0; p < tokens.count; p++) {
    if (p !== query && !(others && placeOf(tokens, p).image === own)) order.push(p);
  }
  return order.sort((a, b) => found[b] - found[a] || a - b).slice(0, count);
}

const loaded = new Map();

function whenLoaded(image, then) {
  let known = loaded.get(image);
  if (!known) {
    known = new Image();
    known.src = image.src;
    loaded.set(image, known);
  }
  if (known.complete && known.naturalWidth) then(known);
  else known.addEventListener("load", () => then(known), { once: true });
}

function outlined(context, x, y, width, height) {
  context.lineWidth = 4;
  context.strokeStyle = "#000000";
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2;
  context.strokeStyle = "#ffffff";
  context.strokeRect(x, y, width, height);
}

function drawQuery() {
  const set = here(), image = set.images[state.image], canvas = at("query");
  const tokens = tokensOf(set, backbones[0]);
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  const place = placeOf(tokens, patchAt(tokens, 0, state.x, state.y));
  const words = `Image ${state.image + 1} of ${set.images.length} (${image.id}), row ${place.row + 1}, column ${place.column + 1}.`;
  at("query-text").textContent = `${words} Click a patch, or move with the arrow keys.`;
  canvas.setAttribute("aria-label", words);
  whenLoaded(image, (pixels) => {
    const context = canvas.getContext("2d");
    context.drawImage(pixels, 0, 0, canvas.width, canvas.height);
    const width = canvas.width / tokens.columns, height = canvas.height / tokens.rows;
    outlined(context, place.column * width, place.row * height, width, height);
  });
}

function heatMap(canvas, tokens, found, image, query) {
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  const each = tokens.rows * tokens.columns, start = state.image * each;
  const mine = found.slice(start, start + each);
  const low = Math.min(...mine), high = Math.max(...mine);
  whenLoaded(image, (pixels) => {
    const context = canvas.getContext("2d");
    const width = canvas.width / tokens.columns, height = canvas.height / tokens.rows;
    context.drawImage(pixels, 0, 0, canvas.width, canvas.height);
    if (at("heat").checked) {
      const small = make("canvas", { width: tokens.columns, height: tokens.rows });
      const cells = small.getContext("2d").createImageData(tokens.columns, tokens.rows);
      for (let cell = 0; cell < each; cell++) {
        const share = (mine[cell] - low) / (high - low || 1);
        cells.data.set(heat(share), 4 * cell);
      }
      small.getContext("2d").putImageData(cells, 0, 0);
      context.globalAlpha = 0.72;
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      context.globalAlpha = 1;
    }
    const place = placeOf(tokens, query);
    outlined(context, place.column * width, place.row * height, width, height);
  });
}

// Dark violet over orange to pale yellow: darker is farther, whatever colours a reader sees.
const STOPS = [[20, 11, 52], [96, 19, 110], [188, 55, 84], [243, 121, 25], [252, 255, 164]];

function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1), index = Math.min(Math.floor(place), STOPS.length - 2);
  const part = place - index;
  return [...STOPS[index].map((value, n) => value + part * (STOPS[index + 1][n] - value)), 255];
}

const AROUND = 2; // patches shown on every side of a neighbour

function crop(canvas, tokens, place, image) {
  canvas.width = canvas.height = 120;
  whenLoaded(image, (pixels) => {
    const context = canvas.getContext("2d");
    const width = image.width / tokens.columns, height = image.height / tokens.rows;
    const across = 2 * AROUND + 1, side = Math.max(width, height) * across;
    const left = (place.column + 0.5) * width - side / 2, top = (place.row + 0.5) * height - side / 2;
    const x = Math.min(Math.max(left, 0), Math.max(image.width - side, 0));
    const y = Math.min(Math.max(top, 0), Math.max(image.height - side, 0));
    const ratio = canvas.width / side;
    context.fillStyle = "#888888";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(pixels, -x * ratio, -y * ratio, image.width * ratio, image.height * ratio);
    outlined(context, (place.column * width - x) * ratio, (place.row * height - y) * ratio, width * ratio, height * ratio);
  });
}

function drawNeighbours() {
  const set = here(), image = set.images[state.image];
  const several = set.images.length > 1;
  at("others").disabled = !several;
  const others = several && at("others").checked;
  const told = [];
  at("neighbours").replaceChildren(...backbones.map((name) => {
    const tokens = tokensOf(set, name);
    const query = patchAt(tokens, state.image, state.x, state.y);
    const found = cosines(tokens, query);
    const near = nearest(tokens, found, query, data.neighbours, others);
    const map = make("canvas", { role: "img", "aria-label": `How similar every patch of the image is under ${name}; lighter is nearer` });
    heatMap(map, tokens, found, image, query);
    map.addEventListener("click", choose);
    const list = make("ol", { class: "near" }, ...near.map((patch, index) => {
      const place = placeOf(tokens, patch);
      const picture = make("canvas", { "aria-hidden": "true" });
      crop(picture, tokens, place, set.images[place.image]);
      const button = make("button", { type: "button", "data-patch": patch,
        "aria-label": `Neighbour ${index + 1}: image ${place.image + 1}, row ${place.row + 1}, column ${place.column + 1}, cosine ${found[patch].toFixed(2)}` },
        picture, make("span", {}, `${found[patch].toFixed(2)} \u00b7 ${place.image + 1}`));
      button.addEventListener("click", () => {
        state.image = place.image;
        state.x = (place.column + 0.5) / tokens.columns;
        state.y = (place.row + 0.5) / tokens.rows;
        drawImage();
      });
      return make("li", {}, button);
    }));
    const images = new Set(near.map((patch) => placeOf(tokens, patch).image + 1));
    told.push(`${name}: nearest in image ${[...images].join(", ")}`);
    return make("div", { class: "card", "data-backbone": name, "data-query": query },
      make("h3", {}, make("span", { class: "dot", style: `background:${colours[name]}` }), name), map, list);
  }));
  at("said").textContent = told.join(". ");
}

function drawCost() {
  const set = here();
  at("patches-text").textContent =
    "Choose a patch: every backbone shows how similar the other patches of the image are (lighter is "
    + `nearer), and its ${data.neighbours} nearest patches with what is around them. A neighbour says its `
    + "cosine and the number of its image; choose one to go there.";
  at("patches-cost").replaceChildren(...backbones.map((name) => {
    const one = set.shown[name];
    return make("li", {}, `${name}: ${one.grid[0]}\u00d7${one.grid[1]} patches, ${one.dimensions} of ${one.length} dimensions in 8 bits; `
      + `a cosine is off by ${one.cosine_error.toFixed(3)} on average, and ${(100 * one.same_neighbours).toFixed(0)} % of the ten nearest patches are those of the whole tokens.`);
  }));
}

function choose(event) {
  const box = event.currentTarget.getBoundingClientRect();
  state.x = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999999);
  state.y = Math.min(Math.max((event.clientY - box.top) / box.height, 0), 0.999999);
  drawPatch();
}

function move(event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const tokens = tokensOf(here(), backbones[0]);
  const place = placeOf(tokens, patchAt(tokens, 0, state.x, state.y));
  const column = Math.min(Math.max(place.column + step[0], 0), tokens.columns - 1);
  const row = Math.min(Math.max(place.row + step[1], 0), tokens.rows - 1);
  state.x = (column + 0.5) / tokens.columns;
  state.y = (row + 0.5) / tokens.rows;
  drawPatch();
}

// ---------------------------------------------------------------- all of it

function drawPatch() {
  drawQuery();
  drawNeighbours();
}

function drawImage() {
  for (const [index, button] of [...at("strip").children].entries()) button.setAttribute("aria-pressed", String(index === state.image));
  drawOverlays();
  drawPatch();
}

function drawDataset() {
  state.image = 0;
  drawNumbers();
  drawDifferences();
  drawCurves();
  drawStrip();
  drawLayers();
  drawCost();
  drawImage();
}

at("opening").textContent =
  `${backbones.length} backbone${backbones.length > 1 ? "s" : ""}, frozen, on ${data.datasets.map((one) => one.name).join(", ")}. `
  + `The baseline is ${data.baseline}.` + (data.quick ? " Measured with --quick: fewer and smaller images; compare these numbers with each other alone." : "");
at("dataset").append(...data.datasets.map((one, index) => make("option", { value: index }, one.name)));
at("pick-dataset").hidden = data.datasets.length < 2;
at("dataset").addEventListener("change", (event) => { state.dataset = Number(event.target.value); drawDataset(); });
at("every-setting").addEventListener("change", () => { drawTable(); drawDifferences(); });
at("others").addEventListener("change", drawNeighbours);
at("heat").addEventListener("change", drawNeighbours);
at("opacity").addEventListener("input", (event) => at("overlays").style.setProperty("--strength", event.target.value / 100));
at("query").addEventListener("click", choose);
at("query").addEventListener("keydown", move);
at("foot").textContent = `Written by neco ${data.version}. This page holds everything that it shows; nothing is fetched from anywhere.`;
drawDataset();
