// In: the JSON that the page carries, and what the reader chooses.
// Out: that data, the present choice, and calls to those who draw it when it changes.

import { at } from "./dom.js";

export const data = JSON.parse(at("data").textContent);
export const backbones = data.backbones.map((one) => one.name);
export const colours = Object.fromEntries(data.backbones.map((one) => [one.name, one.colour]));

// x and y: where the chosen patch lies in its image, from 0 to 1.
export const state = { dataset: 0, image: 0, x: 0.5, y: 0.5, layer: null, sort: null };
export const here = () => data.datasets[state.dataset];

const drawers = { image: [], patch: [] };
export const onImage = (draw) => drawers.image.push(draw);
export const onPatch = (draw) => drawers.patch.push(draw);

export function chooseImage(image, x = state.x, y = state.y) {
  Object.assign(state, { image, x, y });
  for (const draw of drawers.image) draw();
}

export function choosePatch(x, y) {
  Object.assign(state, { x, y });
  for (const draw of drawers.patch) draw();
}
