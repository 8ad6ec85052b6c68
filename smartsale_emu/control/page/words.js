// The words of the page in both languages; names of states come from the terminal's table.
const WORDS = {
  en: {
    title: "Pinpad", schemes: { kph: "KPH", pkh: "PKH" }, other: "Русский", close: "Click to close", cards: "Cards",
    cardsHint: "Click a card, or drag it onto a slot. A card in a slot: click it to take it out. PIN: 1234; Visa: 4321.",
    states: "States", line: "Line", frames: "frames", insideTerminal: "terminal and bank", clear: "Clear",
    receipts: "Receipts", bank: "Bank", faults: "Faults", phrase: "In your words", do: "Do it",
    mend: "Take all back", power: "Power", reset: "Reset", minute: "+1 min", day: "+24 h",
    minuteTitle: "Put the clock forward by a minute", dayTitle: "Put the clock forward by a day",
    resetTitle: "Forget everything: memory, ledger, faults", resetAsk: "Forget everything: the pinpad's memory, the bank's ledger, the faults?",
    dayTotal: "Day's total", owes: "Owed to the bank", nothing: "nothing", reversal: "reversal", settlement: "settlement",
    slips: (n) => `${n} ${n === 1 ? "slip" : "slips"}`, dayNumber: (n) => `day ${n}`,
    tap: "Contactless", insert: "Chip reader", swipe: "Stripe", holds: (slot, card) => `${slot}: ${card}, click to take it out`,
    empty: (slot) => `${slot}: empty`, keys: "Keypad", cancel: "Cancel", erase: "Clear", enter: "Enter",
    live: "connected", lost: "no connection", agree: "Bank and pinpad agree", differ: "Bank and pinpad differ",
    noOperations: "No operations yet", noReceipts: "No receipts yet.",
    tryIt: "Connect a register to the port above, or try:", code: "answer", client: "customer's copy", cashier: "cashier's copy",
    printer: "printed by the pinpad", token: "This pinpad asks for a token:", off: "off",
    approved: "approved", declined: "declined", reversed: "reversed", "reversed-early": "reversed early",
    request: "register → pinpad", answer: "pinpad → register", paperOut: "no paper", pinTyped: (n) => `${n} digits typed`,
    states_: {},
    faultNames: {
      ack: "Final answer never acknowledged", final: "Final answer lost once", request: "ACK of the request lost",
      crc: "Final answer with a wrong CRC", nak: "NAK for the final answer", answer: "Bank's answer lost", down: "Bank unreachable",
      decline: "Bank declines: no money (51)", late: "Bank answers a minute late", mac: "Bank's MAC is wrong",
      cut: "Power cut for 3 s", paper: "Printer out of paper",
    },
  },
  ru: {
    title: "Пинпад", schemes: { kph: "КПХ", pkh: "ПКХ" }, other: "English", close: "Нажмите, чтобы закрыть", cards: "Карты",
    cardsHint: "Нажмите на карту или перетащите её в считыватель. Карту в считывателе нажмите, чтобы вынуть. ПИН: 1234; Visa: 4321.",
    states: "Состояния", line: "Линия", frames: "кадры", insideTerminal: "терминал и банк", clear: "Очистить",
    receipts: "Чеки", bank: "Банк", faults: "Неисправности", phrase: "Своими словами", do: "Сделать",
    mend: "Убрать все", power: "Питание", reset: "Сброс", minute: "+1 мин", day: "+24 ч",
    minuteTitle: "Перевести часы на минуту вперёд", dayTitle: "Перевести часы на сутки вперёд",
    resetTitle: "Забыть всё: память, книгу банка, неисправности", resetAsk: "Забыть всё: память пинпада, книгу банка, неисправности?",
    dayTotal: "Итог дня", owes: "Долг банку", nothing: "нет", reversal: "отмена", settlement: "сверка итогов",
    slips: (n) => `чеков: ${n}`, dayNumber: (n) => `день ${n}`,
    tap: "Бесконтактно", insert: "Чип", swipe: "Магнитная полоса", holds: (slot, card) => `${slot}: ${card}, нажмите, чтобы вынуть`,
    empty: (slot) => `${slot}: пусто`, keys: "Клавиатура", cancel: "Отмена", erase: "Стереть", enter: "Ввод",
    live: "связь есть", lost: "связи нет", agree: "Банк и пинпад сходятся", differ: "Банк и пинпад расходятся",
    noOperations: "Операций пока нет", noReceipts: "Чеков пока нет.",
    tryIt: "Подключите кассу к порту, что указан наверху, или попробуйте:", code: "ответ", client: "чек клиента", cashier: "чек кассира",
    printer: "напечатан пинпадом", token: "Этот пинпад просит токен:", off: "выключен",
    approved: "одобрена", declined: "отклонена", reversed: "отменена", "reversed-early": "отменена раньше",
    request: "касса → пинпад", answer: "пинпад → касса", paperOut: "нет бумаги", pinTyped: (n) => `набрано цифр: ${n}`,
    states_: {
      idle: "покой", "cashier's answer": "ответ кассира", "card prompt": "ждёт карту", "PIN entry": "ввод ПИН",
      "bank connect": "звонок в банк", "bank answer": "ответ банка", answering: "ответ кассе", settling: "сверка итогов",
      undoing: "откат", reversing: "отмена 53", owing: "должен банку", retrying: "повтор", clearing: "сперва долг",
    },
    faultNames: {
      ack: "Итоговый ответ не подтверждается", final: "Итоговый ответ пропал", request: "ACK на запрос пропал",
      crc: "Итоговый ответ с неверной CRC", nak: "NAK на итоговый ответ", answer: "Ответ банка пропал", down: "Банк недоступен",
      decline: "Банк отказал: нет денег (51)", late: "Банк опоздал на минуту", mac: "Неверный MAC банка",
      cut: "Питание пропало на 3\u00a0с", paper: "Кончилась бумага",
    },
  },
};

// Which language is spoken, and its words: who imports them sees them change.
export let language = localStorage.getItem("language") ?? (navigator.language.startsWith("ru") ? "ru" : "en");
export let words = WORDS[language];

export function otherLanguage() {
  language = language === "ru" ? "en" : "ru";
  words = WORDS[language];
  localStorage.setItem("language", language);
}

// Faults that a button sets; `once`: it happens at once and cannot be taken back.
export const FAULTS = [
  { id: "ack", phrase: "line: drop every ack of final" },
  { id: "final", phrase: "line: drop final" },
  { id: "request", phrase: "line: drop ack of request" },
  { id: "crc", phrase: "line: spoil CRC of final" },
  { id: "nak", phrase: "line: NAK for final" },
  { id: "answer", phrase: "bank: no answer to money" },
  { id: "down", phrase: "bank: down" },
  { id: "decline", phrase: "bank: decline 51" },
  { id: "late", phrase: "bank: late answer 60s to money" },
  { id: "mac", phrase: "bank: wrong MAC to money" },
  { id: "paper", phrase: "paper: out" },
  { id: "cut", phrase: "power: cut for 3s", once: true },
];
