// Small tools for what is on the page.
import { language } from "/words.js";

export const $ = (id) => document.getElementById(id);

// Make an element; an attribute that is undefined is left out, and so is a part that is null.
export function made(name, attributes = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (value !== undefined) node.setAttribute(key, value);
  }
  node.append(...inside.filter((one) => one !== null));
  return node;
}

export function money(minor) {
  return (minor / 100).toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
