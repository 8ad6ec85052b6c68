// What is left of operations: the day's total, what is owed, the bank's ledger, slips.
import { $, made, money } from "/nodes.js";
import { known } from "/watch.js";
import { words } from "/words.js";

const OPERATIONS = 100, PAPERS = 12;

let papers = -1;

export function showDay() {
  const { day, owes, paper } = known.state;
  $("total").replaceChildren(made("b", {}, money(day.net)), ` · ${words.dayNumber(day.number)} · ${words.slips(day.slips)}${paper ? "" : ` · ${words.paperOut}`}`);
  $("owes").replaceChildren(...(owes.length ? owes.map(debt) : [words.nothing]));
  $("owes").parentElement.classList.toggle("bad", owes.length > 0);
}

function debt(one) {
  const text = one.amount === null ? words[one.what] : `${words[one.what]} ${money(one.amount)} (STAN ${one.stan})`;
  return made("span", { class: "debt", title: one.because }, text);
}

export function showLedger() {
  const { ledger } = known, agree = $("agree");
  agree.textContent = [ledger.agree ? words.agree : words.differ, ...ledger.disagreements, ...ledger.notes].join("\n");
  agree.classList.toggle("bad", !ledger.agree);
  const rows = ledger.operations.toReversed().slice(0, OPERATIONS).map(operation);
  $("ledger").replaceChildren(...(rows.length ? rows : [made("li", { class: "none" }, words.noOperations)]));
}

function operation(row) {
  const numbers = `${row.received_at.slice(11, 19)} · ${row.account || row.card} · STAN ${row.stan} · RRN ${row.rrn || "–"} · ${words.code} ${row.response_code || "–"}`;
  return made("li", { class: row.state, title: row.because },
    made("b", {}, money(row.amount)), made("span", { class: "badge" }, words[row.state] ?? row.state), made("span", {}, row.transaction),
    made("small", {}, numbers));
}

// Show the slips; tell whether there is a new one.
export function showReceipts() {
  const { receipts } = known, fresh = papers >= 0 && receipts.length > papers;
  const nodes = receipts.slice(-PAPERS).toReversed().map((one, index) => {
    const title = one.copy ? words[one.copy] : words.printer;
    return made("figure", { class: `paper${fresh && index < receipts.length - papers ? " fresh" : ""}` }, made("figcaption", {}, title), made("pre", {}, one.text.replaceAll("\r", "").trimEnd()));
  });
  $("papers").replaceChildren(...(nodes.length ? nodes : [nothingPrinted()]));
  papers = receipts.length;
  return fresh;
}

function nothingPrinted() {
  const command = made("code", {}, "smartsale-emu register sale 12.00 ", made("span", {}, `--port ${known.state.port}`));
  return made("p", { class: "none" }, words.noReceipts, " ", words.tryIt, command);
}

// After a reset the slips that come are no news.
export function forgetReceipts() {
  papers = -1;
}
