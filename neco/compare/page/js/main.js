// In: everything that the other modules draw.
// Out: the whole page, and what is drawn anew when the reader changes something.

import { drawCurves } from "./curves.js";
import { drawDifferences } from "./differences.js";
import { at, make } from "./dom.js";
import {
  chooseByKey,
  chooseByPointer,
  drawCost,
  drawNeighbours,
  drawQuery,
} from "./neighbours.js";
import { drawLayers, drawOverlays, drawStrip, markStrip } from "./overlays.js";
import { backbones, data, onImage, onPatch, state } from "./state.js";
import { drawNumbers, drawTable } from "./table.js";

function drawPatch() {
  drawQuery();
  drawNeighbours();
}

function drawImage() {
  markStrip();
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

function drawFrame() {
  const counted = `${backbones.length} backbone${backbones.length > 1 ? "s" : ""}`;
  const sets = data.datasets.map((one) => one.name);
  const quick =
    " Measured with --quick: fewer and smaller images; compare these numbers with each other " +
    "alone.";
  at("opening").textContent =
    `${counted}, frozen, on ${sets.join(", ")}. The baseline is ${data.baseline}.` +
    (data.quick ? quick : "");
  at("dataset").append(...sets.map((name, index) => make("option", { value: index }, name)));
  at("pick-dataset").hidden = sets.length < 2;
  at("foot").textContent =
    `Written by neco ${data.version}. This page holds everything that it shows; nothing is ` +
    "fetched from anywhere.";
}

onPatch(drawPatch);
onImage(drawImage);
at("dataset").addEventListener("change", (event) => {
  state.dataset = Number(event.target.value);
  drawDataset();
});
at("every-setting").addEventListener("change", () => {
  drawTable();
  drawDifferences();
});
at("others").addEventListener("change", drawNeighbours);
at("heat").addEventListener("change", drawNeighbours);
at("opacity").addEventListener("input", (event) => {
  at("overlays").style.setProperty("--strength", event.target.value / 100);
});
at("query").addEventListener("click", chooseByPointer);
at("query").addEventListener("keydown", chooseByKey);
drawFrame();
drawDataset();
