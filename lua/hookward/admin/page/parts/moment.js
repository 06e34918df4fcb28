// Shows a time: short as a text, exact in its title, and in UTC for programs.

import { h } from "../dom.js";
import { exactTime, isoTime, time } from "../format.js";

/**
 * @param {number | null | undefined} t seconds since 1970
 * @param {import("../dom.js").Child} [text] what is shown, if not the short time
 * @returns {HTMLTimeElement}
 */
export function moment(t, text = time(t)) {
  return h("time", { datetime: isoTime(t), title: exactTime(t) }, text);
}
