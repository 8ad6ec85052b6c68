// Faults on buttons, and in one's own words.
import { ask } from "/api.js";
import { $, made } from "/nodes.js";
import { act, complain, known } from "/watch.js";
import { FAULTS, words } from "/words.js";

export function makeFaults() {
  $("buttons").replaceChildren(...FAULTS.map(({ id, phrase, once }) => {
    const button = made("button", { type: "button", "data-fault": id, title: phrase, "aria-pressed": once ? undefined : "false" }, words.faultNames[id]);
    button.addEventListener("click", () => change(async () => {
      if (once) await ask("POST", "/faults", { phrase });
      else if (button.getAttribute("aria-pressed") === "true") await ask("DELETE", `/faults/${id}`);
      else await ask("PUT", `/faults/${id}`, { phrase });
    }));
    return button;
  }));
  showFaults();
}

// What can be said, offered while one types.
export function offerForms(forms) {
  const all = Object.entries(forms).flatMap(([verb, rows]) => rows.map((row) => made("option", { value: `${verb}: ${row.form}` }, row.about)));
  $("forms").replaceChildren(...all);
}

function change(work, place) {
  act(async () => {
    await work();
    known.faults = (await ask("GET", "/faults")).faults;
    showFaults();
  }, place);
}

export function showFaults() {
  const { faults } = known, armed = faults.filter((one) => one.armed).length;
  $("tab-faults").textContent = armed ? `${words.faults} · ${armed}` : words.faults;
  for (const button of $("buttons").children) {
    if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(faults.some((one) => one.name === button.dataset.fault && one.armed)));
  }
  const listed = faults.filter((one) => one.armed || !FAULTS.some((offered) => offered.id === one.name));
  $("armed").replaceChildren(...listed.map((one) => {
    const drop = made("button", { type: "button", "aria-label": `${words.mend}: ${one.phrase}` }, "✕");
    drop.addEventListener("click", () => change(() => ask("DELETE", `/faults/${one.name}`)));
    return made("li", { class: one.armed ? "armed" : "spent" }, made("code", {}, one.phrase), drop);
  }));
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const phrase = $("phrase").value.trim();
  if (phrase) change(() => ask("POST", "/faults", { phrase }), "phrase-problem");
});
$("phrase").addEventListener("input", () => complain("", "phrase-problem"));
$("mend").addEventListener("click", () => change(() => ask("DELETE", "/faults")));
