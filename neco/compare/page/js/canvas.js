// In: a canvas, an image, and a place among its patches.
// Out: the image on the canvas: with the patch outlined, under similarities, or cut around it.

import { make } from "./dom.js";

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

function outline(context, x, y, width, height) {
  context.lineWidth = 4;
  context.strokeStyle = "#000000";
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2;
  context.strokeStyle = "#ffffff";
  context.strokeRect(x, y, width, height);
}

// shares: of every patch from 0 (far) to 1 (near), or null where the image is shown alone.
export function drawWhole(canvas, tokens, place, image, shares = null) {
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  whenLoaded(image, (pixels) => {
    const context = canvas.getContext("2d");
    context.drawImage(pixels, 0, 0, canvas.width, canvas.height);
    if (shares) coverWith(context, tokens, shares);
    const width = canvas.width / tokens.columns;
    const height = canvas.height / tokens.rows;
    outline(context, place.column * width, place.row * height, width, height);
  });
}

function coverWith(context, tokens, shares) {
  const small = make("canvas", { width: tokens.columns, height: tokens.rows });
  const cells = small.getContext("2d").createImageData(tokens.columns, tokens.rows);
  for (const [cell, share] of shares.entries()) cells.data.set(heat(share), 4 * cell);
  small.getContext("2d").putImageData(cells, 0, 0);
  context.globalAlpha = 0.72;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
  context.globalAlpha = 1;
}

// Dark violet over orange to pale yellow: darker is farther, whatever colours a reader sees.
const STOPS = [[20, 11, 52], [96, 19, 110], [188, 55, 84], [243, 121, 25], [252, 255, 164]];

function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const index = Math.min(Math.floor(place), STOPS.length - 2);
  const part = place - index;
  return [...STOPS[index].map((value, n) => value + part * (STOPS[index + 1][n] - value)), 255];
}

const AROUND = 2; // patches shown on every side of a neighbour

export function drawAround(canvas, tokens, place, image) {
  canvas.width = canvas.height = 120;
  whenLoaded(image, (pixels) => {
    const context = canvas.getContext("2d");
    const width = image.width / tokens.columns;
    const height = image.height / tokens.rows;
    const side = Math.max(width, height) * (2 * AROUND + 1);
    const left = (place.column + 0.5) * width - side / 2;
    const top = (place.row + 0.5) * height - side / 2;
    const x = Math.min(Math.max(left, 0), Math.max(image.width - side, 0));
    const y = Math.min(Math.max(top, 0), Math.max(image.height - side, 0));
    const ratio = canvas.width / side;
    context.fillStyle = "#888888";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(pixels, -x * ratio, -y * ratio, image.width * ratio, image.height * ratio);
    const [column, row] = [(place.column * width - x) * ratio, (place.row * height - y) * ratio];
    outline(context, column, row, width * ratio, height * ratio);
  });
}
