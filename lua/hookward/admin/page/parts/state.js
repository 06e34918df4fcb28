// Shows the state of a notification: a shape, a colour and a word, so that none stands alone.

import { h } from "../dom.js";

/** All states, in the order in which they are offered, with what they mean. */
export const STATES = {
  failed: "failed; a retry follows",
  dead: "failed; it is no longer retried",
  queued: "accepted, not yet run",
  running: "its handler runs now",
  unhandled: "accepted without a handler",
  succeeded: "its handler succeeded",
};

/**
 * @param {string} state
 * @returns {HTMLElement} the shape and the word
 */
export function badge(state) {
  return h("span", { class: `state state-${state}`, title: STATES[/** @type {keyof typeof STATES} */ (state)] },
    h("span", { class: "shape", "aria-hidden": "true" }), state);
}
