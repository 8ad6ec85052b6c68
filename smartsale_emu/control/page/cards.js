// The test cards beside the pinpad: clicked, or dragged onto a slot.
import { ask } from "/api.js";
import { $, made, money } from "/nodes.js";
import { act, known } from "/watch.js";

const SCHEMES = { 2: "mir", 3: "jcb", 4: "visa", 5: "mc", 6: "up" };

let cards = [], chosen = "";

export function cardNamed(name) {
  return cards.find((one) => one.name === name);
}

// The card that was presented last, empty for none.
export function chosenCard() {
  return chosen;
}

export function tileFace(card) {
  const scheme = SCHEMES[card?.number[0]] ?? "other";
  return made("span", { class: `card ${scheme}` }, made("b", {}, card?.name ?? ""), sign(card?.how), made("span", { class: "number" }, card ? `•••• ${card.number.slice(-4)}` : ""), made("em", {}, card?.label ?? ""));
}

// What the card is read by, as it is drawn on it; a card with a stripe only has nothing on its face.
function sign(how) {
  if (how === "tap") return document.querySelector("#tap .wave").cloneNode(true);
  return how === "insert" ? made("span", { class: "gold" }) : null;
}

export function makeCards(all) {
  cards = all;
  $("cards").replaceChildren(...cards.map((card) => {
    const tile = made("button", { type: "button", draggable: "true", class: "tile", "aria-pressed": "false", "aria-label": `${card.name}, ${card.label}, ${card.number}`, title: `${card.name} · ${card.number} · ${money(card.balance)}` }, tileFace(card));
    tile.disabled = !card.usable;
    tile.addEventListener("click", () => present(card.name, card.how));
    tile.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", card.name);
      event.dataTransfer.effectAllowed = "copy";
      $("pinpad").classList.add("expects");
    });
    tile.addEventListener("dragend", () => $("pinpad").classList.remove("expects"));
    return made("li", { "data-card": card.name }, tile);
  }));
}

export function showHeldCard() {
  for (const tile of $("cards").children) tile.firstChild.setAttribute("aria-pressed", String(known.state.card?.card === tile.dataset.card));
}

// Present a card in a slot; the one that is there already is taken out.
export function present(card, how) {
  chosen = card;
  const held = known.state?.card;
  if (held?.card === card && held.how === how) act(() => ask("DELETE", "/card"));
  else act(() => ask("PUT", "/card", { card, how }));
}
