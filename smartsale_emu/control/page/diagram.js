// The terminal's table as a picture: every state at its place, the current one lit, the last way drawn bright.
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 126, HIGH = 40;
const PLACES = {
  "idle": [78, 200], "cashier's answer": [222, 62], "card prompt": [250, 150], "PIN entry": [400, 62],
  "bank connect": [540, 150], "bank answer": [690, 62], "answering": [848, 200],
  "settling": [400, 262], "reversing": [400, 318], "undoing": [690, 290],
  "owing": [78, 374], "retrying": [400, 374], "clearing": [230, 318],
};

function made(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

// Where a ray from the middle of a box towards a point leaves the box.
function border([x, y], [tx, ty], gap) {
  const dx = tx - x, dy = ty - y;
  if (!dx && !dy) return [x, y];
  const scale = 1 / Math.max(Math.abs(dx) / (WIDE / 2 + gap), Math.abs(dy) / (HIGH / 2 + gap));
  return [x + dx * scale, y + dy * scale];
}

function way(from, to) {
  if (from === to) {
    const [x, y] = from;
    return `M${x - 16} ${y - HIGH / 2 - 1}c-10 -26 42 -26 32 -3`;
  }
  const dx = to[0] - from[0], dy = to[1] - from[1], far = Math.hypot(dx, dy);
  const bend = far > 600 ? 0.035 : far > 300 ? 0.08 : 0.12;
  const middle = [from[0] + dx / 2 + dy * bend, from[1] + dy / 2 - dx * bend];
  const begin = border(from, middle, 2), end = border(to, middle, 7);
  return `M${begin[0]} ${begin[1]}Q${middle[0]} ${middle[1]} ${end[0]} ${end[1]}`;
}

export class Diagram {
  constructor(place, table) {
    this.nodes = new Map();
    this.ways = new Map();
    this.current = "";
    const svg = made("svg", { viewBox: "0 0 926 408", role: "img" });
    this.svg = svg;
    const defs = made("defs", {}, svg);
    for (const kind of ["plain", "lit"]) {
      const mark = made("marker", {
        id: `tip-${kind}`, class: `tip ${kind}`, viewBox: "0 0 8 8", refX: 6, refY: 4,
        markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto",
      }, defs);
      made("path", { d: "M0 0L8 4L0 8Z" }, mark);
    }
    const arrows = made("g", { class: "ways" }, svg);
    for (const arrow of table.arrows) {
      const from = PLACES[arrow.source], to = PLACES[arrow.target];
      if (!from || !to) continue;
      const line = made("path", { d: way(from, to), class: "way" }, arrows);
      made("title", {}, line).textContent = `${arrow.source} → ${arrow.target}: ${arrow.kinds.join("; ")}`;
      this.ways.set(`${arrow.source}>${arrow.target}`, { line, source: arrow.source });
    }
    for (const state of table.states) {
      const [x, y] = PLACES[state.name] ?? [60, 380];
      const group = made("g", { class: "node", transform: `translate(${x - WIDE / 2} ${y - HIGH / 2})` }, svg);
      made("rect", { width: WIDE, height: HIGH, rx: 12 }, group);
      const text = made("text", { x: WIDE / 2, y: HIGH / 2 }, group);
      made("title", {}, group).textContent = state.timer ? `${state.name} (${state.timer})` : state.name;
      group.addEventListener("pointerenter", () => this.show(state.name));
      group.addEventListener("pointerleave", () => this.show(this.current));
      this.nodes.set(state.name, { group, text });
    }
    place.replaceChildren(svg);
  }

  // Names in the language of the page.
  name(words, title) {
    this.svg.setAttribute("aria-label", title);
    for (const [name, { text }] of this.nodes) text.textContent = words[name] ?? name;
  }

  // Light a state, and the ways that lead out of it.
  light(name) {
    if (name === this.current) return;
    this.nodes.get(this.current)?.group.classList.remove("now");
    this.current = name;
    this.nodes.get(name)?.group.classList.add("now");
    this.show(name);
  }

  show(name) {
    for (const { line, source } of this.ways.values()) line.classList.toggle("out", source === name);
  }

  // Draw the last way bright.
  went(source, target) {
    for (const { line } of this.ways.values()) line.classList.remove("went");
    this.ways.get(`${source}>${target}`)?.line.classList.add("went");
  }
}
