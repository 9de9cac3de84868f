// In: the chosen image, and what the reader lays over it.
// Out: the strip of images, and the chosen one under every backbone.

import { at, make } from "./dom.js";
import { backbones, chooseImage, data, here, state } from "./state.js";

export function drawStrip() {
  const buttons = here().images.map((image, index) => {
    const { src, width, height } = image;
    const label = `Image ${index + 1}: ${image.id}`;
    const pressed = String(index === state.image);
    const button = make(
      "button",
      { type: "button", "aria-pressed": pressed, "aria-label": label },
      make("img", { src, alt: "", width, height }),
    );
    button.addEventListener("click", () => chooseImage(index));
    return button;
  });
  at("strip").replaceChildren(...buttons);
}

export function markStrip() {
  for (const [index, button] of [...at("strip").children].entries()) {
    button.setAttribute("aria-pressed", String(index === state.image));
  }
}

function layersOf(set) {
  const predicted = Object.values(set.shown).some((one) => one.predictions);
  return [
    ...(predicted ? [["predictions", "predicted classes"]] : []),
    ["clusters", `${data.clusters} clusters`],
    ["none", "image alone"],
  ];
}

export function drawLayers() {
  const layers = layersOf(here());
  if (!layers.some(([key]) => key === state.layer)) state.layer = layers[0][0];
  const choices = layers.map(([key, name]) => {
    const checked = key === state.layer;
    const input = make("input", { type: "radio", name: "layer", value: key, checked });
    input.addEventListener("change", () => {
      state.layer = key;
      drawOverlays();
    });
    return make("label", {}, input, ` ${name}`);
  });
  at("layers").replaceChildren(...choices);
}

function panel(image, over, caption, cells) {
  const { src, width, height } = image;
  const alt = over ? "" : `Image ${image.id}`;
  const under = make("img", { class: "under", src, alt, width, height });
  const stack = make("div", { class: "stack" + (cells ? " grey" : "") }, under);
  if (over) {
    const kind = "over" + (cells ? " cells" : "");
    const told = `${caption}, over image ${image.id}`;
    stack.append(make("img", { class: kind, src: over, alt: told }));
  }
  return make("figure", {}, stack, make("figcaption", {}, caption));
}

function panelOf(name, set, image) {
  const maps = set.shown[name][state.layer];
  if (!maps) return panel(image, null, `${name}: no prediction`, false);
  return panel(image, maps[state.image], name, state.layer === "clusters");
}

export function drawOverlays() {
  const set = here();
  const image = set.images[state.image];
  const classes = state.layer === "predictions";
  const first = classes
    ? panel(image, image.truth, "ground truth", false)
    : panel(image, null, "image", false);
  const shown = state.layer === "none" ? [] : backbones;
  at("overlays").replaceChildren(first, ...shown.map((name) => panelOf(name, set, image)));
  const legend = (classes ? set.legend : []).map((one) =>
    make("li", {}, make("i", { style: `background:${one.colour}` }), one.name),
  );
  at("legend").replaceChildren(...legend);
}
