// The line as it happens: frames, messages with their fields, and what terminal and bank made of them.
import { $, made } from "/nodes.js";
import { words } from "/words.js";

const ROWS = 400;
const QUIET = new Set(["asks", "hands", "line", "ignored", "print"]);
const LINE = new Set(["frame", "message", "unit"]);
const BRIEF_FIELDS = new Set([0, 13, 14, 15, 19, 25, 39]);
const RECEIPT_FIELD = 90;

const told = new WeakMap(); // the event of each row

export function clearLine() {
  $("events").replaceChildren();
}

export function addRow(event) {
  if (QUIET.has(event.kind) || (event.kind === "unit" && event.fate === "arrives")) return;
  const list = $("events"), below = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const inward = event.kind === "unit" ? event.to === "pinpad" : event.direction === "in";
  const way = !LINE.has(event.kind) ? "" : inward ? "in" : "out";
  const time = made("time", {}, event.time.slice(11, 23));
  const arrow = made("span", { class: "kind" }, { in: "→", out: "←" }[way] ?? "");
  const row = made("li", { class: `${event.kind} ${way}` }, time, arrow, rowBody(event));
  told.set(row, event);
  list.append(row);
  while (list.children.length > ROWS) list.firstChild.remove();
  if (below) list.scrollTop = list.scrollHeight;
}

// Tell every row again, in the language that is spoken now.
export function retellLine() {
  for (const row of $("events").children) row.lastChild.replaceWith(rowBody(told.get(row)));
}

// A way of the terminal's table in words.
export function wayWords(event) {
  const name = (one) => words.states_[one] ?? one;
  return `${name(event.from)} → ${name(event.to)}: ${event.because}`;
}

function rowBody(event) {
  if (event.kind === "state") return made("span", {}, wayWords(event));
  if (event.kind === "message") return messageBody(event);
  if (event.kind === "frame") return frameBody(event);
  return made("span", {}, event.kind === "screen" ? `«${event.because.replaceAll("\n", " / ")}»` : event.words);
}

function messageBody(event) {
  const title = event.direction === "in" ? words.request : words.answer;
  const brief = event.fields.filter(([number]) => BRIEF_FIELDS.has(number)).map(([number, , value]) => `${number}=${value}`).join("  ");
  const rows = event.fields.map(([number, name, value]) => made("tr", {}, made("th", {}, String(number)), made("td", {}, name), made("td", {}, number === RECEIPT_FIELD ? "‹…›" : String(value))));
  return made("details", {}, made("summary", {}, made("b", {}, title), ` ${brief}`), made("table", {}, made("tbody", {}, ...rows)));
}

function frameBody(event) {
  const hex = event.hex.toUpperCase().replace(/(..)(?=.)/g, "$1 ");
  if (event.bytes <= 2) return made("span", {}, made("b", {}, event.unit), " ", made("code", {}, hex));
  return made("details", {}, made("summary", {}, made("b", {}, event.unit), ` ${event.bytes} B `, made("code", {}, hex.slice(0, 23), "…")), made("code", { class: "hex" }, hex));
}
