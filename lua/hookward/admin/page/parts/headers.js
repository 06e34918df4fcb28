// Shows the headers that a request came with.

import { h } from "../dom.js";
import { reveal } from "./reveal.js";

/**
 * @param {{ name: string, value: string }[]} headers
 * @returns {HTMLElement} a list
 */
export function headerList(headers) {
  return h("dl", { class: "facts" }, headers.map(({ name, value }) =>
    [h("dt", { class: "mono" }, reveal(name)), h("dd", { class: "mono" }, reveal(value))]));
}
