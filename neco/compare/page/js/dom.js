// In: names of elements and what they hold.
// Out: the page's own elements by their id, and new ones.

export const at = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = ["svg", "line", "circle", "text", "path", "title"];

export function make(name, attributes = {}, ...children) {
  const node = DRAWN.includes(name)
    ? document.createElementNS(SVG, name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}
