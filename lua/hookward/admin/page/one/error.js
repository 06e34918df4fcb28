// What went wrong in the last run: code, reason, the handler's lines, the traceback.

import { h } from "../dom.js";
import { reveal, revealed } from "../parts/reveal.js";

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
  const said = reason ?? detail?.split("\n")[0];
  const past = state !== "failed" && state !== "dead";
  return h("section", { class: `panel error-panel error-${state}`, "aria-labelledby": "error-title" },
    h("header", null, h("h2", { id: "error-title" }, past ? "Its last error" : "What went wrong"),
      error && h("code", { class: `code-${past ? "past" : state}` }, error)),
    h("div", { class: "inside stack" },
      said && h("p", { class: "reason" }, reveal(said)),
      source && sourceLines(source),
      detail && detail !== said && h("details", null, h("summary", null, "Traceback"),
        h("pre", { class: "code plain", tabindex: 0 }, reveal(detail)))));
}
