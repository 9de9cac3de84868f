// In: the chosen patch.
// Out: the image with that patch, and every backbone's similarities and nearest patches.

import { drawAround, drawWhole } from "./canvas.js";
import { at, make } from "./dom.js";
import { backbones, chooseImage, choosePatch, colours, data, here, state } from "./state.js";
import { cosines, middleOf, nearest, patchAt, placeOf, tokensOf } from "./tokens.js";

export function drawQuery() {
  const set = here();
  const image = set.images[state.image];
  const tokens = tokensOf(set, backbones[0]);
  const place = placeOf(tokens, patchAt(tokens, 0, state.x, state.y));
  const which = `Image ${state.image + 1} of ${set.images.length} (${image.id})`;
  const words = `${which}, row ${place.row + 1}, column ${place.column + 1}.`;
  at("query-text").textContent = `${words} Click a patch, or move with the arrow keys.`;
  at("query").setAttribute("aria-label", words);
  drawWhole(at("query"), tokens, place, image);
}

export function drawNeighbours() {
  const several = here().images.length > 1;
  at("others").disabled = !several;
  const others = several && at("others").checked;
  const cards = backbones.map((name) => cardOf(name, others));
  at("neighbours").replaceChildren(...cards.map((one) => one.card));
  at("said").textContent = cards.map((one) => one.told).join(". ");
}

function cardOf(name, others) {
  const tokens = tokensOf(here(), name);
  const query = patchAt(tokens, state.image, state.x, state.y);
  const found = cosines(tokens, query);
  const near = nearest(tokens, found, query, data.neighbours, others);
  const items = near.map((patch, index) => itemOf(tokens, patch, index, found[patch]));
  const dot = make("span", { class: "dot", style: `background:${colours[name]}` });
  const card = make(
    "div",
    { class: "card", "data-backbone": name, "data-query": query },
    make("h3", {}, dot, name),
    mapOf(name, tokens, found, query),
    make("ol", { class: "near" }, ...items),
  );
  const images = new Set(near.map((patch) => placeOf(tokens, patch).image + 1));
  return { card, told: `${name}: nearest in image ${[...images].join(", ")}` };
}

function mapOf(name, tokens, found, query) {
  const each = tokens.rows * tokens.columns;
  const mine = found.slice(state.image * each, (state.image + 1) * each);
  const low = Math.min(...mine);
  const high = Math.max(...mine);
  const shares = mine.map((cosine) => (cosine - low) / (high - low || 1));
  const label = `How similar every patch of the image is under ${name}; lighter is nearer`;
  const map = make("canvas", { role: "img", "aria-label": label });
  const image = here().images[state.image];
  drawWhole(map, tokens, placeOf(tokens, query), image, at("heat").checked ? shares : null);
  map.addEventListener("click", chooseByPointer);
  return map;
}

function itemOf(tokens, patch, index, cosine) {
  const place = placeOf(tokens, patch);
  const picture = make("canvas", { "aria-hidden": "true" });
  drawAround(picture, tokens, place, here().images[place.image]);
  const where = `image ${place.image + 1}, row ${place.row + 1}, column ${place.column + 1}`;
  const label = `Neighbour ${index + 1}: ${where}, cosine ${cosine.toFixed(2)}`;
  const button = make(
    "button",
    { type: "button", "data-patch": patch, "aria-label": label },
    picture,
    make("span", {}, `${cosine.toFixed(2)} \u00b7 ${place.image + 1}`),
  );
  button.addEventListener("click", () => {
    chooseImage(place.image, ...middleOf(tokens, place.row, place.column));
  });
  return make("li", {}, button);
}

export function drawCost() {
  at("patches-text").textContent =
    "Choose a patch: every backbone shows how similar the other patches of the image are " +
    `(lighter is nearer), and its ${data.neighbours} nearest patches with what is around them. ` +
    "A neighbour says its cosine and the number of its image; choose one to go there.";
  const lines = backbones.map((name) => {
    const one = here().shown[name];
    const same = `${(100 * one.same_neighbours).toFixed(0)} %`;
    const text =
      `${name}: ${one.grid[0]}\u00d7${one.grid[1]} patches, ${one.dimensions} of ${one.length} ` +
      `dimensions in 8 bits; a cosine is off by ${one.cosine_error.toFixed(3)} on average, and ` +
      `${same} of the ten nearest patches are those of the whole tokens.`;
    return make("li", {}, text);
  });
  at("patches-cost").replaceChildren(...lines);
}

export function chooseByPointer(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const inside = (value) => Math.min(Math.max(value, 0), 0.999999);
  const x = inside((event.clientX - box.left) / box.width);
  choosePatch(x, inside((event.clientY - box.top) / box.height));
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function chooseByKey(event) {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const tokens = tokensOf(here(), backbones[0]);
  const place = placeOf(tokens, patchAt(tokens, 0, state.x, state.y));
  const column = Math.min(Math.max(place.column + step[0], 0), tokens.columns - 1);
  const row = Math.min(Math.max(place.row + step[1], 0), tokens.rows - 1);
  choosePatch(...middleOf(tokens, row, column));
}
