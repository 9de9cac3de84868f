// In: the choice of a dataset and of "every setting".
// Out: the rows of numbers to show, and the columns that they make.

import { at } from "./dom.js";
import { data, here } from "./state.js";

export function rowsShown() {
  const every = at("every-setting").checked;
  return data.rows.filter((row) => row.dataset === here().name && (every || row.headline));
}

export const columnOf = (row) => `${row.protocol}|${row.setting}`;
export const columnsOf = (rows) => [...new Set(rows.map(columnOf))];
