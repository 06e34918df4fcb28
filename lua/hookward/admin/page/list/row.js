// One delivery as a row of the list; below 48rem of width the same row is a card.

import { h, put } from "../dom.js";
import { age } from "../format.js";
import { moment } from "../parts/moment.js";
import { reveal, revealed } from "../parts/reveal.js";
import { badge } from "../parts/state.js";

/**
 * @typedef {object} Row as the API gives it, or as much of it as a live record tells
 * @property {number} seq
 * @property {string} id
 * @property {string} event
 * @property {string} state
 * @property {number} attempt
 * @property {number} [deliveries]
 * @property {number} [runs]
 * @property {number | null} [received_at]
 * @property {number | null} [next_run_at]
 * @property {string | null} [error]
 * @property {string | null} [reason]
 * @property {boolean} [parked]
 */

/** The columns: class, heading. */
export const COLUMNS = [["c-state", "State"], ["c-event", "Event"], ["c-job", "Job"],
  ["c-time", "Received"], ["c-attempt", "Attempt"], ["c-said", "What happened"]];

// A row has room for a file's name, not for its folders: what went wrong comes after them.
const FOLDERS = /^\S*\/(?=[^\s/]+\.lua:\d+: )/;

/** @param {Row} row */
function said(row) {
  const parts = [];
  if (row.error) parts.push(h("code", { class: `code-${row.state}` }, row.error), " ");
  if (row.reason) parts.push(reveal(row.reason.split("\n")[0].replace(FOLDERS, "")));
  if (row.parked) parts.push(h("span", { class: "muted" }, " paused"));
  else if (row.state === "failed" && row.next_run_at) {
    parts.unshift(h("span", { class: "next" },
      row.next_run_at > Date.now() / 1000 ? `again ${age(row.next_run_at)}` : "due"));
  }
  return parts;
}

/** @param {Row} row */
function attempt(row) {
  const twice = row.deliveries && row.deliveries > row.attempt + 1;
  return [row.attempt, twice ? h("span", { class: "muted", title: `delivered ${row.deliveries} times` },
    ` ×${row.deliveries}`) : null];
}

/** @param {string} event */
function eventName(event) {
  const dot = event.indexOf(".");
  if (dot < 0) return reveal(event || "–");
  return [reveal(event.slice(0, dot)), h("span", { class: "verb" }, reveal(event.slice(dot)))];
}

/**
 * Writes a row's contents again, and leaves its link, so that the focus stays.
 * @param {HTMLTableRowElement} tr
 * @param {Row} row
 */
export function refreshRow(tr, row) {
  tr.className = `row row-${row.state}`;
  const [state, , , , tried, happened] = tr.cells;
  put(state, badge(row.state));
  put(tried, h("span", { class: "label" }, "attempt "), attempt(row));
  put(happened, said(row));
  happened.title = revealed(row.reason).slice(0, 300);
}

/**
 * @param {Row} row
 * @returns {HTMLTableRowElement}
 */
export function makeRow(row) {
  const cell = (/** @type {number} */ i, /** @type {any} */ ...children) =>
    h("td", { class: COLUMNS[i][0], role: "cell" }, ...children);
  const tr = h("tr", { role: "row", "data-seq": row.seq },
    cell(0),
    cell(1, h("a", { class: "open", href: `#/deliveries/${row.seq}`, tabindex: -1,
      "aria-label": revealed(`${row.event || "No event"}, job ${row.id}`) },
      eventName(row.event))),
    cell(2, h("span", { class: "label" }, "job "), reveal(row.id)),
    cell(3, moment(row.received_at)),
    cell(4), cell(5));
  refreshRow(tr, row);
  return tr;
}
