// What else is known of a delivery, and the headers that it came with.

import { h } from "../dom.js";
import { age, exactTime } from "../format.js";
import { headerList } from "../parts/headers.js";
import { moment } from "../parts/moment.js";
import { reveal } from "../parts/reveal.js";

/** @param {number | null | undefined} t */
const exact = (t) => t && moment(t, [exactTime(t), h("span", { class: "muted" }, ` ${age(t)}`)]);

/** @param {string | null | undefined} text */
const mono = (text) => text && h("span", { class: "mono" }, reveal(text));

/**
 * @param {any} delivery
 * @returns {HTMLElement} a panel
 */
export function factsPanel(delivery) {
  const facts = [
    ["Job", mono(delivery.id)],
    ["Attempt", String(delivery.attempt)],
    ["Received", exact(delivery.received_at)],
    ["Settled", exact(delivery.settled_at)],
    ["Next run", exact(delivery.next_run_at)],
    ["Verified by", mono(delivery.key)],
    ["Handler", mono(delivery.place)],
    ["Version", mono(delivery.version)],
    ["Body’s SHA-256", mono(delivery.digest)],
  ];
  return h("section", { class: "panel", "aria-labelledby": "facts-title" },
    h("header", null, h("h2", { id: "facts-title" }, "Facts")),
    h("dl", { class: "facts inside" }, facts.map(([name, value]) =>
      value && [h("dt", null, name), h("dd", null, value)])));
}

/**
 * @param {{ name: string, value: string }[]} headers
 * @returns {HTMLElement} a panel
 */
export function headersPanel(headers) {
  return h("section", { class: "panel", "aria-labelledby": "headers-title" },
    h("header", null, h("h2", { id: "headers-title" }, "Headers")),
    h("div", { class: "inside" }, headers.length > 0 ? headerList(headers)
      : h("p", { class: "muted" }, "No headers were kept.")));
}
