// Copies a text. The clipboard's own interface needs HTTPS or loopback; elsewhere a selection does.

import { h } from "../dom.js";
import { note } from "./notes.js";

/** @param {string} text */
function copyBySelection(text) {
  const area = h("textarea", { class: "unseen", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/**
 * @param {string} text
 * @param {string} what names it in the note: "curl command"
 */
export async function copy(text, what) {
  const before = document.activeElement;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = copyBySelection(text);
  }
  if (before instanceof HTMLElement) before.focus();
  note(done ? `Copied: ${what}` : `The browser did not allow copying ${what}`, done ? "ok" : "bad");
}

/**
 * @param {string} label
 * @param {string} text
 * @param {string} what
 * @returns {HTMLButtonElement}
 */
export function copyButton(label, text, what) {
  return h("button", { type: "button", onclick: () => copy(text, what) }, label);
}
