// What went wrong in the last run: code, reason, the handler's lines, the traceback.

import { h } from "../dom.js";
import { prose } from "../parts/prose.js";
import { reveal, revealed } from "../parts/reveal.js";

// What a code means, where the host has no words of its own for it, and what to do.
const MEANINGS = {
  no_handler: "No handler is registered for this event. Register one, and replay this; or set "
    + "`unhandled = \"accept\"` for events that you don't need.",
  handler_refused: "The handler returned `nil` or `false`, and gave no reason.",
  handler_timeout: "The handler did not end within `handler_timeout`.",
  queue_timeout: "No worker was free within `queue_timeout`. Look for slow handlers, or raise `workers`.",
  given_up: "The handler returned `hook.never()`, so it does not run again by itself.",
  host_lost: "The host stopped while the handler was running, so nobody knows how far it got.",
  paused: "The event is paused. `hookward resume` ends the pause.",
  missing_event: "The body is not an object whose `Event` is a text.",
};

/**
 * @param {{ file: string, first: number, line: number, lines: string[], changed: boolean }} source
 */
function sourceLines({ file, first, line, lines, changed }) {
  return h("figure", { class: "source" },
    h("figcaption", null, h("span", { class: "mono" }, reveal(`${file}:${line}`)),
      changed && h("span", { class: "muted small" }, " has changed since that run")),
    h("div", { class: "code", tabindex: 0, role: "region", "aria-label": `Lines of ${revealed(file)}` },
      lines.map((text, at) => h("div", { class: first + at === line ? "source-line here" : "source-line" },
        h("span", { class: "gutter", "aria-hidden": "true" }, first + at),
        first + at === line && h("span", { class: "unseen" }, "The error is here: "),
        h("span", { class: "text" }, reveal(text))))));
}

/**
 * @param {{ state: string, error?: string | null, reason?: string | null, detail?: string | null,
 *   source?: any }} delivery
 * @returns {HTMLElement | null} null: nothing went wrong
 */
export function errorPanel({ state, error, reason, detail, source }) {
  if (!error && !reason) return null;
  const said = reason || detail?.split("\n")[0];
  const meaning = MEANINGS[/** @type {keyof typeof MEANINGS} */ (error)]
    ?? "`hookward help errors` says what this means.";
  const past = state !== "failed" && state !== "dead";
  return h("section", { class: `panel error-panel error-${state}`, "aria-labelledby": "error-title" },
    h("header", null, h("h2", { id: "error-title" }, past ? "Its last error" : "What went wrong"),
      error && h("code", { class: `code-${past ? "past" : state}` }, error)),
    h("div", { class: "inside stack" },
      h("p", { class: "reason" }, said ? reveal(said) : prose(meaning)),
      source && sourceLines(source),
      detail && detail !== said && h("details", null, h("summary", null, "Traceback"),
        h("pre", { class: "code plain", tabindex: 0 }, reveal(detail)))));
}
