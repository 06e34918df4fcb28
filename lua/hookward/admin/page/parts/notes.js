// Tells the user what happened: aloud by a screen reader, and as a note that goes away by itself.

import { h } from "../dom.js";
import { reveal, revealed } from "./reveal.js";

const SHOWN_MS = 6000;
const AT_MOST = 3;

const announcer = /** @type {HTMLElement} */ (document.getElementById("announcer"));
const notes = /** @type {HTMLElement} */ (document.getElementById("notes"));

/**
 * Has a screen reader say a text once it has finished what it is saying.
 * @param {string} text
 */
export function announce(text) {
  announcer.textContent = revealed(text);
}

/**
 * Shows a note for some seconds, and announces it.
 * @param {string} text
 * @param {"ok" | "bad"} [kind]
 */
export function note(text, kind = "ok") {
  const element = h("p", { class: `note note-${kind}` }, reveal(text));
  notes.append(element);
  while (notes.childElementCount > AT_MOST) notes.firstElementChild?.remove();
  setTimeout(() => element.remove(), SHOWN_MS);
  announce(text);
}
