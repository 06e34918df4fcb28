// Replay of all that match: counts first, then runs them at a pace, and can be stopped.
//
// The replay runs in the host, not in this page: the page may be closed meanwhile. There is one at a
// time for the whole host, and every page shows it.

import { get, gaveUp, messageOf, post } from "../api.js";
import { h, put } from "../dom.js";
import { count, plural, span, time } from "../format.js";
import { confirm } from "../parts/confirm.js";
import { moment } from "../parts/moment.js";
import { badge } from "../parts/state.js";
import { poll } from "../timing.js";

/** @typedef {import("../app.js").Context} Context */

export const title = "Replay";

const RUNNING_MS = 500;
const IDLE_MS = 5000;
const RATE = 10; // a second
const FILTERS = ["state", "event", "id", "since", "until", "error"];

// ---- progress ----

/** @param {any} bulk */
function outcome(bulk) {
  if (bulk.running) return bulk.stopping ? "stopping" : "running";
  if (bulk.why) return `ended early: ${bulk.why}`;
  return bulk.stopped ? "stopped" : "done";
}

/** @param {any} bulk */
function left(bulk) {
  if (!bulk.running || !bulk.rate || bulk.total <= bulk.done) return "";
  const seconds = Date.now() / 1000 - bulk.started_at;
  const pace = bulk.done > 5 && seconds > 1 ? bulk.done / seconds : bulk.rate;
  return `about ${span(Math.ceil((bulk.total - bulk.done) / pace))} left`;
}

/**
 * @param {any} filters
 * @returns {string} "state dead, event Badge.*, since 14:03:21"
 */
function described(filters) {
  const { state, ...rest } = filters ?? {};
  const parts = [state ? `state ${state.replaceAll(",", " or ")}` : "state failed or dead"];
  for (const [name, value] of Object.entries(rest)) {
    parts.push(`${name} ${name === "since" || name === "until" ? time(Number(value)) : value}`);
  }
  return parts.join(", ");
}

/**
 * Shows the replay that runs, or ran last, and keeps itself up to date.
 * @param {Context} ctx
 * @param {{ quiet?: boolean, changed?: (bulk: any) => void }} [options] quiet: nothing is shown
 *   unless one runs
 */
export function bulkCard(ctx, { quiet = false, changed } = {}) {
  const element = h("div", { class: "bulk" });
  let seen = false; // one was running while this page looked
  /** @type {{ bar: HTMLProgressElement, numbers: HTMLElement, stop: HTMLButtonElement } | null} */
  let parts = null;

  async function stop() {
    try {
      show(await post("/api/bulk/stop", {}, { signal: ctx.signal }));
    } catch (error) {
      ctx.fail(error);
    }
    look?.();
  }

  /** @param {any} bulk */
  function build(bulk) {
    parts = {
      bar: h("progress", { max: 1, value: 0, "aria-label": "Replayed" }),
      numbers: h("p", { class: "bulk-numbers" }),
      stop: h("button", { type: "button", class: "danger", onclick: stop }, "Stop"),
    };
    put(element, h("section", { class: "panel" },
      h("header", null, h("h2", null, "Replay of all that match"),
        ctx.session.role === "write" ? parts.stop : null),
      h("div", { class: "inside stack" }, parts.bar, parts.numbers,
        h("p", { class: "muted small" }, described(bulk.filters), ", started at ",
          moment(bulk.started_at)))));
  }

  /** @param {any} bulk */
  function show(bulk) {
    if (!bulk?.started_at || (quiet && !bulk.running && !seen)) {
      put(element);
      parts = null;
      return;
    }
    if (!parts) build(bulk);
    if (!parts) return;
    parts.bar.max = Math.max(1, bulk.total);
    parts.bar.value = bulk.done;
    put(parts.numbers, h("strong", null, `${count(bulk.done)} of ${count(bulk.total)}`),
      `, ${outcome(bulk)}: ${count(bulk.succeeded)} succeeded, ${count(bulk.failed)} failed`,
      bulk.skipped ? `, ${count(bulk.skipped)} could not run` : "",
      left(bulk) ? `; ${left(bulk)}` : "",
      bulk.last_error ? h("span", { class: "muted" }, `. Last error: ${bulk.last_error}`) : "");
    parts.stop.hidden = !bulk.running;
    parts.stop.disabled = Boolean(bulk.stopping);
    if (seen && !bulk.running) ctx.announce(`Replay ${outcome(bulk)}: ${parts.numbers.textContent}`);
    seen = bulk.running;
  }

  async function ask() {
    try {
      const bulk = await get("/api/bulk", { signal: ctx.signal });
      show(bulk);
      changed?.(bulk);
      return bulk.running ? RUNNING_MS : IDLE_MS;
    } catch {
      return IDLE_MS;
    }
  }

  const look = ctx.session.ledger ? poll(ctx.signal, 0, ask) : null;
  return { element, look };
}

// ---- the question ----

/** @param {URLSearchParams} query */
function filtersOf(query) {
  /** @type {Record<string, string>} */
  const filters = {};
  for (const name of FILTERS) {
    const value = query.getAll(name).filter((text) => text !== "").join(",");
    if (value) filters[name] = value;
  }
  return filters;
}

/** @param {any} counted */
function breakdown(counted) {
  return h("ul", { class: "tiles" }, Object.entries(counted.by_state ?? {}).map(([state, number]) =>
    h("li", null, h("span", { class: "tile" }, h("strong", null, count(Number(number))),
      badge(state)))));
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} query
 * @param {Context} ctx
 */
export async function show(main, query, ctx) {
  const filters = filtersOf(query);
  const back = `#/deliveries?${new URLSearchParams(filters)}`;
  const force = h("input", { type: "checkbox", id: "bulk-force" });
  const mayForce = (filters.state ?? "").split(",").includes("succeeded");
  const rate = h("input", { type: "number", id: "bulk-rate", min: "0.01", max: "1000", step: "any",
    value: String(RATE), required: true, inputmode: "decimal" });
  const start = h("button", { type: "submit", class: "primary", disabled: true }, "Replay");
  const answer = h("div", { class: "answer", "aria-live": "polite" }, h("p", { class: "muted" }, "Counting …"));
  /** @type {HTMLElement} */
  let form = h("p", { class: "muted" },
    "The ledger is in memory, so nothing in it can be run again.");
  let counted = 0;
  let running = false;

  const bulk = bulkCard(ctx, { changed: (now) => {
    if (running && !now.running) countThem();
    running = now.running;
    mayStart();
  } });

  function mayStart() {
    start.disabled = running || counted === 0;
    form.hidden = running;
    start.textContent = counted ? `Replay ${plural(counted, "notification")}` : "Replay";
  }

  async function countThem() {
    try {
      const found = await post("/api/bulk", { filters, dry_run: true, force: force.checked },
        { signal: ctx.signal });
      counted = found.count;
      put(answer, h("p", null, found.count
        ? `${plural(found.count, "notification")} can run again.` : "Nothing that matches can run."),
      found.count ? breakdown(found) : null);
    } catch (error) {
      if (gaveUp(error)) return;
      counted = 0;
      put(answer, h("p", { class: "wrong" }, messageOf(error)));
    }
    mayStart();
  }

  /** @param {Event} event */
  async function begin(event) {
    event.preventDefault();
    const pace = Number(rate.value);
    const yes = await confirm({ title: "Replay all that match?", yes: "Replay",
      text: `${plural(counted, "notification")} will run again, one after another, at most ${
        count(pace)} a second. That takes ${span(Math.ceil(counted / pace))} or longer.` });
    if (!yes) return;
    try {
      await post("/api/bulk", { filters, rate: pace, force: force.checked }, { signal: ctx.signal });
      ctx.announce("The replay has begun");
    } catch (error) {
      ctx.fail(error);
    }
    bulk.look?.();
  }

  force.addEventListener("change", countThem);
  if (ctx.session.role !== "write") {
    form = h("p", { class: "muted" },
      "You may only look. A replay needs the token that may change things.");
  } else if (ctx.session.ledger) {
    form = h("form", { class: "panel inside stack", onsubmit: begin }, answer,
      h("div", { class: "field short" }, h("label", { for: "bulk-rate" }, "Notifications per second, at most"),
        rate),
      mayForce ? h("div", { class: "check" }, force, h("label", { for: "bulk-force" },
        "Also those that succeeded, if their bodies were kept")) : null,
      h("div", { class: "buttons" }, start, h("a", { class: "button", href: back }, "Cancel")));
  }
  put(main, h("div", { class: "narrow stack" },
    h("div", { class: "head" }, h("h1", null, "Replay all that match")),
    h("p", null, "Filter: ", h("strong", null, described(filters)), ". The notifications run one "
      + "after another, the oldest first, with today's handlers."),
    bulk.element, form));
  if (ctx.session.role === "write" && ctx.session.ledger) countThem();
  return () => {};
}
