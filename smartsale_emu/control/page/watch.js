// What is known of the pinpad, and asked for again when something happens.
import { ask, followEvents } from "/api.js";
import { $ } from "/nodes.js";

const SOON = 40; // ms in which many events become one question
const IN_BOOKS = new Set(["bank", "print", "power", "message", "fault", "scenario"]);

export const known = { state: null, ledger: null, receipts: [], faults: [], alive: false };

let booksStale = true, waits = false, tell = null;

// Follow the pinpad. `hears.event`, `hears.state`, `hears.books`, `hears.alive` are called when there is news.
export function follow(hears) {
  tell = hears;
  followEvents(take, setAlive);
}

function take(event, another) {
  if (IN_BOOKS.has(event.kind)) booksStale = true;
  tell.event(event, another);
  refresh();
}

function setAlive(alive) {
  const back = alive && !known.alive;
  known.alive = alive;
  tell.alive();
  if (back) {
    booksStale = true;
    refresh();
  }
}

// Ask for the state soon, once for many events.
function refresh() {
  if (waits || !tell) return;
  waits = true;
  setTimeout(async () => {
    waits = false;
    const fresh = await asked();
    if (fresh.state) tell.state();
    if (fresh.books) tell.books();
  }, SOON);
}

// Ask; return what was told. Without a connection: nothing, and the lamp says so.
async function asked() {
  const fresh = { state: false, books: false };
  try {
    known.state = await ask("GET", "/state");
    fresh.state = true;
    if (booksStale && !known.state.serving) {
      booksStale = false;
      const [ledger, receipts, { faults }] = await Promise.all(
        ["/bank/ledger", "/receipts", "/faults"].map((path) => ask("GET", path)));
      Object.assign(known, { ledger, receipts, faults });
      fresh.books = true;
    }
  } catch {
    booksStale = true;
  }
  return fresh;
}

// Do something for a person: what goes wrong is told to him, above the page or at a place of its own.
export async function act(work, place = "problem") {
  try {
    await work();
    complain("", place);
  } catch (error) {
    complain(error.message, place);
  }
  refresh();
}

export function complain(text, place = "problem") {
  $(place).textContent = text;
  $(place).hidden = !text;
}

// Ask for ledger, receipts and faults again with the next state.
export function forgetBooks() {
  booksStale = true;
}
