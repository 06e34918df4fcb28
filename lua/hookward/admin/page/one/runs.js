// Every run of a delivery's handler, the last one first.

import { h } from "../dom.js";
import { duration, exactTime, plural } from "../format.js";
import { moment } from "../parts/moment.js";
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

/**
 * Why it ran. The ledger does not tell a replay from a delivery: both have the attempt that was last
 * delivered. After a lost run the host itself runs the same attempt again.
 * @param {Run} run
 * @param {Run[]} earlier
 * @param {number} deliveries
 */
function cause({ retry, attempt }, earlier, deliveries) {
  if (retry > 0) return `the host's retry ${retry}`;
  const same = earlier.some((run) => run.attempt === attempt);
  if (!same || earlier.at(-1)?.error === "host_lost") return `attempt ${attempt}`;
  return deliveries === 1 ? `a replay of attempt ${attempt}`
    : `attempt ${attempt} again, replayed or delivered`;
}

/**
 * The ledger keeps whole milliseconds of a run.
 * @param {number | null} ms
 */
function whole(ms) {
  if (ms === null || ms >= 1000) return duration(ms);
  return ms < 1 ? "under 1 ms" : `${ms} ms`;
}

/** @param {Run} run @param {Run[]} earlier @param {number} deliveries */
function oneRun(run, earlier, deliveries) {
  const lost = run.error === "host_lost"; // how long it took, nobody saw
  const facts = [cause(run, earlier, deliveries), !lost && `waited ${whole(run.waited_ms)}`,
    !lost && `took ${whole(run.ms)}`].filter(Boolean).join(" · ");
  return h("li", null,
    h("div", { class: "run-head" }, outcome(run),
      h("span", { class: "mono muted" }, moment(run.began_at, exactTime(run.began_at)))),
    run.reason && h("div", { class: "run-reason" }, reveal(run.reason.split("\n")[0])),
    h("div", { class: "muted small" }, facts,
      run.version && [" · version ", h("span", { class: "mono" }, reveal(run.version.slice(0, 12)))]));
}

/** @param {{ state: string }} delivery without a history: what succeeds at its first run has none */
function withoutHistory({ state }) {
  return state === "succeeded" ? "Its handler ran once, and succeeded."
    : "Its handler has not run.";
}

/**
 * @param {{ state: string, history: Run[], deliveries: number }} delivery its history: the oldest first
 * @returns {HTMLElement} a panel
 */
export function runsPanel(delivery) {
  const { history, deliveries, state } = delivery;
  const runs = history.length || (state === "succeeded" ? 1 : 0);
  return h("section", { class: "panel", "aria-labelledby": "runs-title" },
    h("header", null, h("h2", { id: "runs-title" }, "Runs"), h("span", { class: "muted small" },
      `${plural(runs, "run")}, ${plural(deliveries, "delivery", "deliveries")}`)),
    history.length > 0
      ? h("ol", { class: "runs", reversed: true }, history.map((run, at) =>
        oneRun(run, history.slice(0, at), deliveries)).reverse())
      : h("p", { class: "muted inside" }, withoutHistory(delivery)));
}
