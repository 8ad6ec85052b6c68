// A pinpad that one can touch. It knows nothing by itself: everything is asked of the control API.
import { ask } from "/api.js";
import { forgetReceipts, showDay, showLedger, showReceipts } from "/books.js";
import { makeCards, showHeldCard } from "/cards.js";
import { forgetTyped, hasTyped, makeKeys, makeSlots, nameKeys, press, showDevice } from "/device.js";
import { Diagram } from "/diagram.js";
import { makeFaults, offerForms, showFaults } from "/faults.js";
import { addRow, clearLine, retellLine, wayWords } from "/line.js";
import { $ } from "/nodes.js";
import { act, complain, follow, forgetBooks, known } from "/watch.js";
import { language, otherLanguage, words } from "/words.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
let diagram = null, lastWay = null;

// --- what is shown --------------------------------------------------------------------------------------

function showState() {
  const { state } = known;
  $("port").textContent = state.port;
  $("setup").textContent = `${state.setup.terminal_profile} · ${state.setup.bank_profile} · ${words.schemes[state.setup.scheme]}`;
  $("power").setAttribute("aria-pressed", String(state.on));
  showDevice();
  showHeldCard();
  showDay();
  diagram?.light(state.on ? state.state : "");
}

function showBooks() {
  showLedger();
  showFaults();
  if (showReceipts() && $("faults").hidden) openTab("receipts");
}

function showLamp() {
  $("live").classList.toggle("on", known.alive);
  $("live").title = known.alive ? words.live : words.lost;
  $("live").setAttribute("aria-label", $("live").title);
}

function showLastWay() {
  $("last").textContent = lastWay ? wayWords(lastWay) : "";
}

// `another`: another pinpad answers now.
function hear(event, another) {
  if (another) clearLine();
  if (event.kind === "state") {
    diagram?.went(event.from, event.to);
    lastWay = event;
    showLastWay();
  }
  if (event.kind === "asks") forgetTyped();
  addRow(event);
}

// --- the languages --------------------------------------------------------------------------------------

function speak() {
  document.documentElement.lang = language;
  document.title = words.title;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = words[node.dataset.t];
  for (const node of document.querySelectorAll("[data-title]")) node.title = words[node.dataset.title];
  $("language").textContent = words.other;
  $("language").lang = language === "ru" ? "en" : "ru";
  nameKeys();
  diagram?.name(words.states_, words.states);
  makeFaults();
  showLamp();
  showLastWay();
  retellLine();
  if (known.state) showState();
  if (known.ledger) showBooks();
}

// --- hands ----------------------------------------------------------------------------------------------

function openTab(name) {
  for (const tab of tabs) {
    const mine = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", String(mine));
    tab.tabIndex = mine ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !mine;
  }
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => openTab(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}

function typedInto(node) {
  return node instanceof HTMLElement && (node.matches("input:not([type=checkbox]), textarea") || node.isContentEditable);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || typedInto(event.target)) return;
  const onControl = event.target.closest?.("button, summary, a, input, [role=tab]");
  if (/^\d$/.test(event.key)) press(event.key);
  else if (event.key === "Backspace") press("erase");
  else if (event.key === "Escape") press("cancel");
  else if (event.key === "Enter" && (hasTyped() || !onControl)) press("enter");
  else return;
  event.preventDefault();
});

$("language").addEventListener("click", () => {
  otherLanguage();
  speak();
});
$("power").addEventListener("click", () => act(() => ask("PUT", "/power", { on: !known.state.on })));
$("minute").addEventListener("click", () => act(() => ask("POST", "/clock", { by: "1m" })));
$("day").addEventListener("click", () => act(() => ask("POST", "/clock", { by: "24h" })));
$("reset").addEventListener("click", () => confirm(words.resetAsk) && act(async () => {
  await ask("POST", "/reset");
  forgetBooks();
  forgetReceipts();
}));
$("clear-line").addEventListener("click", clearLine);
$("problem").addEventListener("click", () => complain(""));
for (const [id, kind] of [["frames", "no-frames"], ["inside", "no-inside"]]) {
  $(id).addEventListener("change", () => $("events").classList.toggle(kind, !$(id).checked));
}

// --- the beginning --------------------------------------------------------------------------------------

async function begin() {
  makeKeys();
  makeSlots();
  openTab("receipts");
  speak();
  const [table, cards, faults] = await Promise.all([ask("GET", "/diagram"), ask("GET", "/cards"), ask("GET", "/faults")]);
  makeCards(cards);
  offerForms(faults.forms);
  diagram = new Diagram($("diagram"), table);
  speak();
  follow({ event: hear, state: showState, books: showBooks, alive: showLamp });
}

begin().catch((error) => complain(error.message));
