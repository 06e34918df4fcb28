// What the list says when it is empty.

import { h } from "../dom.js";

/**
 * @param {{ dev: boolean }} session
 * @returns {HTMLElement}
 */
export function nothingYet(session) {
  return h("div", { class: "empty" },
    h("h2", null, "No delivery has arrived yet"),
    h("p", null, "Deliveries appear here as they arrive. To send one yourself, run this in the "
      + "project's folder:"),
    h("pre", null, "hookward send BadgeExportZipFile.Created"),
    session.dev
      ? h("p", null, "Or ", h("a", { href: "#/test" }, "send a test from this page"), ".")
      : h("p", null, "If a sender says that it has delivered something, look at ",
        h("a", { href: "#/refused" }, "what was refused"), "."));
}

/**
 * @param {() => void} clear
 * @returns {HTMLElement}
 */
export function nothingMatches(clear) {
  return h("div", { class: "empty" },
    h("h2", null, "No delivery matches this filter"),
    h("p", null, "A job id must match exactly. Text in an error may be any part of it; case is "
      + "ignored."),
    h("button", { type: "button", onclick: clear }, "Clear the filter"));
}

/** @returns {HTMLElement} */
export function noLedger() {
  return h("div", { class: "empty" },
    h("h1", null, "Deliveries are not kept"),
    h("p", null, "This host keeps its ledger in memory (", h("code", null, 'ledger = "memory:"'),
      "), which this page can't read. With a file, ", h("code", null, 'ledger = "hookward.db"'),
      ", every delivery is listed."));
}
