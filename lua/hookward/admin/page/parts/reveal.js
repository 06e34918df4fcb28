// Shows text that strangers wrote: characters that are invisible, or that turn the direction of the
// text around them, are shown as marked code points.

import { h } from "../dom.js";

// Controls (but for tab and line feed), soft hyphen, the bidirectional marks, embeddings, overrides
// and isolates, zero-width characters, line separators, variation selectors that hide data, halves
// of surrogate pairs, annotation marks and the tag characters.
const HIDDEN = new RegExp("[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4"
  + "\\u17b5\\u180b-\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0"
  + "\\ufff0-\\ufffb\\ufffe\\uffff\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}\\p{Cs}]", "gu");

const NAMES = {
  0x00: "null", 0x08: "backspace", 0x0d: "carriage return", 0x1b: "escape", 0xad: "soft hyphen",
  0x061c: "Arabic letter mark", 0x200b: "zero-width space", 0x200c: "zero-width non-joiner",
  0x200d: "zero-width joiner", 0x200e: "left-to-right mark", 0x200f: "right-to-left mark",
  0x2028: "line separator", 0x2029: "paragraph separator", 0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding", 0x202c: "end of embedding or override",
  0x202d: "left-to-right override", 0x202e: "right-to-left override", 0x2060: "word joiner",
  0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate",
  0x2068: "first strong isolate", 0x2069: "end of isolate",
  0xfeff: "zero-width no-break space (byte order mark)",
};

/** @param {string} character */
const codeOf = (character) => /** @type {number} */ (character.codePointAt(0));

/** @param {string} character */
const number = (character) => `U+${codeOf(character).toString(16).toUpperCase().padStart(4, "0")}`;

/** @param {string} character */
function mark(character) {
  const name = NAMES[/** @type {keyof typeof NAMES} */ (codeOf(character))];
  return h("span", { class: "point", title: name ?? "an invisible character" }, number(character));
}

/**
 * The same for where there is text only: titles, labels.
 * @param {string | null | undefined} text
 * @returns {string}
 */
export function revealed(text) {
  return (text ?? "").replace(HIDDEN, (character) => `<${number(character)}>`);
}

/**
 * @param {string | null | undefined} text
 * @returns {(string | HTMLElement)[]} children for `h`
 */
export function reveal(text) {
  if (!text) return [];
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) parts.push(text.slice(from, match.index));
    parts.push(mark(match[0]));
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
