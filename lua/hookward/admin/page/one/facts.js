// What else is known of a delivery, and the headers that it came with.

import { h } from "../dom.js";
import { age, exactTime, isoTime } from "../format.js";
import { reveal } from "../parts/reveal.js";

/** @param {number | null | undefined} t */
const moment = (t) => t && h("time", { datetime: isoTime(t) }, exactTime(t),
  h("span", { class: "muted" }, ` ${age(t)}`));

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
    ["Received", moment(delivery.received_at)],
    ["Settled", moment(delivery.settled_at)],
    ["Next run", moment(delivery.next_run_at)],
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
    headers.length > 0
      ? h("dl", { class: "facts inside headers" }, headers.map(({ name, value }) =>
        [h("dt", { class: "mono" }, reveal(name)), h("dd", { class: "mono" }, reveal(value))]))
      : h("p", { class: "muted inside" }, "None were kept."));
}
