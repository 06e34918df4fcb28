// Every run of a delivery's handler, the last one first.

import { h } from "../dom.js";
import { duration, exactTime, isoTime, plural } from "../format.js";
import { reveal } from "../parts/reveal.js";
import { badge } from "../parts/state.js";

/**
 * @typedef {object} Run
 * @property {number | null} began_at
 * @property {number} attempt
 * @property {number} retry the host's own retry of this number; 0: a delivery or a replay
 * @property {number | null} waited_ms
 * @property {number | null} ms
 * @property {string | null} [error]
 * @property {string | null} [reason]
 * @property {string | null} [version]
 */

/** @param {Run} run */
function outcome({ error }) {
  return error ? h("code", { class: "code-dead" }, error) : badge("succeeded");
}

/** @param {Run} run */
function cause({ retry, attempt }) {
  return retry > 0 ? `the host's retry ${retry}` : `attempt ${attempt}`;
}

/** @param {Run} run */
function oneRun(run) {
  const lost = run.error === "host_lost"; // how long it took, nobody saw
  const facts = [cause(run), !lost && `waited ${duration(run.waited_ms)}`,
    !lost && `took ${duration(run.ms)}`].filter(Boolean).join(" · ");
  return h("li", null,
    h("div", { class: "run-head" }, outcome(run),
      h("time", { class: "mono muted", datetime: isoTime(run.began_at) }, exactTime(run.began_at))),
    run.reason && h("div", { class: "run-reason" }, reveal(run.reason.split("\n")[0])),
    h("div", { class: "muted small" }, facts,
      run.version && [" · version ", h("span", { class: "mono" }, reveal(run.version.slice(0, 12)))]));
}

/**
 * @param {Run[]} history the oldest first
 * @param {number} deliveries
 * @returns {HTMLElement} a panel
 */
export function runsPanel(history, deliveries) {
  return h("section", { class: "panel", "aria-labelledby": "runs-title" },
    h("header", null, h("h2", { id: "runs-title" }, "Runs"), h("span", { class: "muted small" },
      `${plural(history.length, "run")}, ${plural(deliveries, "delivery", "deliveries")}`)),
    history.length > 0
      ? h("ol", { class: "runs", reversed: true }, [...history].reverse().map(oneRun))
      : h("p", { class: "muted inside" }, "Its handler has not run."));
}
