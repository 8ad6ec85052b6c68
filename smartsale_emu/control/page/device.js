// The pinpad as one touches it: its screen, its keys, its three slots.
import { ask } from "/api.js";
import { cardNamed, chosenCard, present, tileFace } from "/cards.js";
import { $, made } from "/nodes.js";
import { act, known } from "/watch.js";
import { words } from "/words.js";

const LETTERS = ["", "", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"];
const SLOTS = ["tap", "insert", "swipe"];

let typed = "";

// A new question: what was typed for another one is no answer to it.
export function forgetTyped() {
  typed = "";
}

export function hasTyped() {
  return typed !== "";
}

export function showDevice() {
  const { state } = known, pad = $("pinpad");
  pad.classList.toggle("off", !state.on);
  pad.dataset.asks = state.asks;
  $("clock").textContent = state.clock.time.slice(11, 16);
  $("state").textContent = state.on ? words.states_[state.state] ?? state.state : words.off;
  showScreen();
  for (const how of SLOTS) showSlot(how);
}

function showScreen() {
  const { state } = known;
  const lines = state.on ? state.screen.lines : [];
  const text = lines.join("\n");
  if ($("screen").dataset.text !== text) {
    $("screen").dataset.text = text;
    $("screen").replaceChildren(...lines.map((line) => made("p", {}, line)));
  }
  const asks = state.on && state.asks === "pin";
  if (!asks) typed = "";
  $("pin").hidden = !asks;
  $("pin").replaceChildren(...Array.from({ length: Math.max(4, typed.length) }, (_, place) => made("i", { class: place < typed.length ? "full" : "" })));
  $("pin").setAttribute("aria-label", words.pinTyped(typed.length));
}

export function makeKeys() {
  const key = (name, label, small, kind = "") => {
    const button = made("button", { type: "button", class: `key ${kind}`, "data-key": name }, label);
    if (small) button.append(made("small", { "aria-hidden": "true" }, small));
    button.addEventListener("click", () => press(name));
    return button;
  };
  const digits = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit) => key(String(digit), String(digit), LETTERS[digit]));
  $("keys").replaceChildren(...digits, made("span"), key("0", "0"), made("span"), key("cancel", "✕", "", "red"), key("erase", "‹", "", "yellow"), key("enter", "○", "", "green"));
}

export function nameKeys() {
  $("keys").setAttribute("aria-label", words.keys);
  for (const name of ["cancel", "erase", "enter"]) {
    const button = document.querySelector(`[data-key="${name}"]`);
    button.setAttribute("aria-label", words[name]);
    button.title = words[name];
  }
}

export function press(name) {
  const button = document.querySelector(`[data-key="${name}"]`);
  button?.classList.add("down");
  setTimeout(() => button?.classList.remove("down"), 120);
  const asked = known.state?.on && known.state.asks === "pin";
  if (name === "cancel") act(() => ask("POST", "/keys", { key: "cancel" }));
  else if (name === "erase") typed = typed.slice(0, -1);
  else if (name === "enter" && asked && typed.length >= 4) {
    const pin = typed;
    typed = "";
    act(() => ask("POST", "/pin", { pin }));
  } else if (/^\d$/.test(name) && asked && typed.length < 12) typed += name;
  if (known.state) showScreen();
}

function showSlot(how) {
  const slot = $(how), card = known.state.card, held = card?.how === how ? card.card : "";
  slot.classList.toggle("full", Boolean(held));
  slot.querySelector(".inside").replaceChildren(...(held ? [tileFace(cardNamed(held))] : [words[how]]));
  slot.setAttribute("aria-label", held ? words.holds(words[how], held) : words.empty(words[how]));
  slot.title = slot.getAttribute("aria-label");
}

export function makeSlots() {
  for (const how of SLOTS) {
    const slot = $(how);
    slot.addEventListener("click", () => {
      const card = known.state?.card;
      if (card?.how === how) act(() => ask("DELETE", "/card"));
      else if (chosenCard() || card) present(card?.card ?? chosenCard(), how);
    });
    slot.addEventListener("dragover", (event) => {
      event.preventDefault();
      slot.classList.add("over");
    });
    slot.addEventListener("dragleave", () => slot.classList.remove("over"));
    slot.addEventListener("drop", (event) => {
      event.preventDefault();
      slot.classList.remove("over");
      const card = event.dataTransfer.getData("text/plain");
      if (cardNamed(card)) present(card, how);
    });
  }
}
