// Asks before something is changed. Escape, "Cancel" and leaving the view mean no; the focus returns
// to where it was.

import { h } from "../dom.js";
import { reveal } from "./reveal.js";

/**
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text what will happen
 * @param {string} question.yes the button that does it
 * @param {boolean} [question.danger] it can't be undone
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes, danger = false }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title),
        h("p", null, reveal(text)),
        h("div", { class: "buttons" },
          h("button", { value: "no", autofocus: true }, "Cancel"),
          h("button", { value: "yes", class: danger ? "danger" : "primary" }, yes))));
    // The question was about what the view showed: another one, by the Back button say, means no.
    const leave = () => dialog.close("no");
    addEventListener("hashchange", leave);
    dialog.addEventListener("close", () => {
      removeEventListener("hashchange", leave);
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
