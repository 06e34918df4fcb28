// Writes sentences of the page or the host: what stands between backticks is code.

import { h } from "../dom.js";

/**
 * @param {string} text no stranger's: see reveal.js for those
 * @returns {(string | HTMLElement)[]} children for `h`
 */
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? h("code", null, part) : part));
}
