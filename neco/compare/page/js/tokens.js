// In: a backbone's patch tokens as the page carries them (see neco/compare/page/embed.py).
// Out: their coordinates, cosines and nearest patches, and where a patch lies.

const decoded = new Map();

export function tokensOf(set, name) {
  const key = `${set.name}|${name}`;
  if (!decoded.has(key)) decoded.set(key, decode(set.shown[name]));
  return decoded.get(key);
}

function decode(shown) {
  const text = atob(shown.numbers);
  const bytes = new Int8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = (text.charCodeAt(n) << 24) >> 24;
  const size = shown.dimensions;
  const count = bytes.length / size;
  const values = new Float64Array(bytes.length);
  const lengths = new Float64Array(count);
  for (let p = 0; p < count; p++) {
    let sum = 0;
    for (let d = 0; d < size; d++) {
      const value = bytes[p * size + d] * shown.scales[d];
      values[p * size + d] = value;
      sum += value * value;
    }
    lengths[p] = Math.sqrt(sum);
  }
  return { values, lengths, size, count, rows: shown.grid[0], columns: shown.grid[1] };
}

export function cosines(tokens, query) {
  const { values, lengths, size, count } = tokens;
  const found = new Float64Array(count);
  for (let p = 0; p < count; p++) {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += values[query * size + d] * values[p * size + d];
    found[p] = sum / (lengths[query] * lengths[p] || 1);
  }
  return found;
}

// others: only patches of other images than the query's. Equal cosines keep the patches' order.
export function nearest(tokens, found, query, count, others) {
  const own = placeOf(tokens, query).image;
  const order = [];
  for (let p = 0; p < tokens.count; p++) {
    if (p !== query && !(others && placeOf(tokens, p).image === own)) order.push(p);
  }
  return order.sort((a, b) => found[b] - found[a] || a - b).slice(0, count);
}

export function placeOf(tokens, patch) {
  const each = tokens.rows * tokens.columns;
  const cell = patch % each;
  const row = Math.floor(cell / tokens.columns);
  return { image: Math.floor(patch / each), row, column: cell % tokens.columns };
}

export function patchAt(tokens, image, x, y) {
  const row = Math.min(Math.floor(y * tokens.rows), tokens.rows - 1);
  const column = Math.min(Math.floor(x * tokens.columns), tokens.columns - 1);
  return image * tokens.rows * tokens.columns + row * tokens.columns + column;
}

export function middleOf(tokens, row, column) {
  return [(column + 0.5) / tokens.columns, (row + 0.5) / tokens.rows];
}
