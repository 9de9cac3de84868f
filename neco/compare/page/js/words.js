// In: numbers in percent or points.
// Out: how the page writes them.

import { data } from "./state.js";

export const points = (value, digits = 1) =>
  (value + 0).toFixed(digits).replace(/^-(0\.?0*)$/, "$1");

// A value that rounds to zero but is none keeps more digits, so that its sign shows.
const fine = (value) => (value !== 0 && Math.abs(value) < 0.05 ? 3 : 1);
export const signed = (value) =>
  (value < 0 ? "\u2212" : "+") + points(Math.abs(value), fine(value));

export const percent = `${+(100 * data.level).toFixed(3)} %`;
