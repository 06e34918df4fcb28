// The overview: what the host does now, and what it did in the last hour, day and week.

import { get, gaveUp, messageOf } from "../api.js";
import { h, put } from "../dom.js";
import { age, count, plural, span, time } from "../format.js";
import { moment } from "../parts/moment.js";
import { reveal } from "../parts/reveal.js";
import { STATES, badge } from "../parts/state.js";
import { makePlot } from "../plot/plot.js";
import { subscribe } from "../stream.js";
import { poll } from "../timing.js";
import { bulkCard } from "./bulk.js";

export const title = "Overview";

/** @typedef {import("../app.js").Context} Context */

/** @type {Record<string, { label: string, seconds: number, again_ms: number }>} */
const RANGES = {
  hour: { label: "Hour", seconds: 3600, again_ms: 15000 },
  day: { label: "Day", seconds: 86400, again_ms: 60000 },
  week: { label: "Week", seconds: 604800, again_ms: 300000 },
};
const OVERVIEW_MS = 10000;
const EXPIRES_SOON = 30 * 86400; // seconds

/**
 * The last step is still under way.
 * @param {number} t when it began
 * @param {number} step
 */
const lasted = (t, step) => Math.max(step / 6, Math.min(step, Date.now() / 1000 - t));

/**
 * @param {string} name of a member of a point
 * @returns {(point: any, step: number) => number | null} per second
 */
const rate = (name) => (point, step) =>
  (point[name] === null || point[name] === undefined ? null : point[name] / lasted(point.t, step));

/** @param {string} name */
const value = (name) => (/** @type {any} */ point) => point[name] ?? null;

const makePlots = () => [
  makePlot({ title: "Notifications by outcome", unit: "rate", stacked: true, series: [
    { label: "succeeded", tone: "tone-good", value: rate("succeeded") },
    { label: "duplicates", tone: "tone-same", value: rate("duplicates") },
    { label: "unhandled", tone: "tone-warn", value: rate("unhandled") },
    { label: "failed", tone: "tone-bad", value: rate("failed") },
    { label: "refused", tone: "tone-refused", value: rate("refused") },
  ] }),
  makePlot({ title: "How long handlers take", unit: "seconds", series: [
    { label: "p50", tone: "tone-good", value: value("p50") },
    { label: "p95", tone: "tone-warn", value: value("p95") },
    { label: "p99", tone: "tone-bad", value: value("p99") },
  ] }),
  makePlot({ title: "Backlog", unit: "count", area: true, series: [
    { label: "waiting for a run", tone: "tone-same", value: value("backlog") },
  ] }),
];

// ---- parts ----

/**
 * @param {string} heading
 * @param {...import("../dom.js").Child} children
 */
function panel(heading, ...children) {
  return h("section", { class: "panel" }, h("header", null, h("h2", null, heading)),
    h("div", { class: "inside stack" }, ...children));
}

/** @param {HTMLElement} element */
function wide(element) {
  element.classList.add("wide");
  return element;
}

/** @param {number} t */
const when = (t) => moment(t, `${time(t)} (${age(t)})`);

/**
 * A table that scrolls by itself where it is too wide.
 * @param {string} caption
 * @param {[string, string?][]} columns a title and a class
 * @param {import("../dom.js").Child[][]} rows
 */
function grid(caption, columns, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "table cards" }, h("caption", { class: "unseen" }, caption),
      h("thead", null, h("tr", null, columns.map(([text, kind]) =>
        h("th", { scope: "col", class: kind }, text)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) =>
        (i === 0 ? h("th", { scope: "row", class: columns[i][1] }, cell)
          : h("td", { class: columns[i][1], "data-title": columns[i][0] },
            h("span", null, cell)))))))));
}

/** @param {any} host */
function facts(host) {
  const counts = host.counts ?? {};
  const pauses = host.pauses ?? [];
  /** @type {[string, import("../dom.js").Child][]} */
  const all = [
    ["State", host.ready === false ? `not ready: ${host.why_not_ready ?? "?"}` : host.state],
    ["Running for", span(host.uptime ?? 0)],
    ["Received", count(counts.received ?? 0)],
    ["In flight", count(counts.in_flight ?? 0)],
    ["Workers", `${count(host.workers ?? 0)}${host.workers_stuck
      ? `, ${count(host.workers_stuck)} stuck` : ""}`],
    ["Ledger", host.ledger ? (host.ledger.type === "memory" ? "in memory" : host.ledger.health) : "–"],
    ["Paused", pauses.length ? pauses.map((/** @type {any} */ one) => one.pattern).join(", ") : null],
  ];
  return h("dl", { class: "facts facts-row" }, all.filter(([, text]) => text !== null).map(([name, text]) =>
    h("div", null, h("dt", null, name), h("dd", null, text))));
}

/**
 * @param {Record<string, number> | null | undefined} rows
 * @param {any} session
 */
function rowsByState(rows, session) {
  if (!session.ledger) {
    return h("p", { class: "muted" }, "The ledger is in memory, so its rows can't be listed.");
  }
  if (!rows) return null;
  return h("ul", { class: "tiles" }, Object.keys(STATES).map((state) =>
    h("li", null, h("a", { class: rows[state] ? "tile" : "tile tile-none",
      href: `#/deliveries?state=${state}` },
      h("strong", null, count(rows[state] ?? 0)), badge(state)))));
}

/** @param {any} host one of the ledger */
function stateOf(host) {
  if (host.alive) return "alive";
  return host.gone_at ? ["gone since ", when(host.gone_at)] : h("strong", { class: "wrong" }, "late");
}

/**
 * The hosts that share the ledger.
 * @param {any} overview
 */
function fleetOf(overview) {
  const fleet = overview.host.ledger?.fleet;
  if (!fleet) return null;
  /** @type {[string, import("../dom.js").Child][]} */
  const all = [
    ["This host", fleet.id ? `${fleet.host_name} (${count(fleet.id)})` : `${fleet.host_name}, not joined`],
    ["PostgreSQL", fleet.away_since ? h("strong", { class: "wrong" }, "away since ", when(fleet.away_since))
      : "can be used"],
    ["Wait for another host", count(fleet.elsewhere)],
    ["To be recorded", count(fleet.unsettled)],
    ["Taken over from others", count(fleet.taken_over)],
    ["Fenced: others had taken over", failures(fleet.fenced)],
  ];
  return panel("Hosts",
    h("dl", { class: "facts facts-row" }, all.map(([name, text]) =>
      h("div", null, h("dt", null, name), h("dd", null, text)))),
    overview.hosts ? grid("Hosts", [["Host"], ["State"], ["Running", "right"], ["hookward"], ["Scripts"],
      ["Started"]],
    overview.hosts.map((/** @type {any} */ host) => [`${host.name} (${count(host.id)})`, stateOf(host),
      count(host.running ?? 0), host.version, host.scripts ? h("code", null, host.scripts) : "–",
      when(host.started_at)])) : null);
}

/** @param {any} host @param {any} reload */
function scripts(host, reload) {
  return [
    h("dl", { class: "facts" },
      h("dt", null, "Version"), h("dd", null, h("code", null, host.version ?? "–"),
        host.number > 1 ? h("span", { class: "muted" },
          ` (number ${count(host.number)} since the start)`) : null),
      h("dt", null, "Last reload"), h("dd", null, reload
        ? [reload.ok ? "took effect " : "failed ", when(reload.at)] : "none since the start")),
    reload && !reload.ok && [
      h("p", { class: "wrong" }, "The edited files do not load. The version above is still running."),
      h("pre", { class: "failure", tabindex: "0" }, reload.text)],
    reload?.ok && reload.text ? h("p", { class: "muted" }, reload.text) : null,
  ];
}

/** @param {any} key */
function expiry(key) {
  if (!key.not_after) return "–";
  const left = key.not_after - Date.now() / 1000;
  const text = when(key.not_after);
  return left > EXPIRES_SOON ? text
    : h("strong", { class: "wrong" }, left < 0 ? "expired: " : "soon: ", text);
}

/** @param {any} overview */
function keys(overview) {
  if (overview.keys_error) return h("pre", { class: "failure", tabindex: "0" },
    overview.keys_error);
  return grid("Keys", [["Key"], ["Bits", "right"], ["Fingerprint"], ["Valid until"]],
    overview.keys.map((/** @type {any} */ key) => [key.name, count(key.bits),
      h("code", { class: "fingerprint" }, key.fingerprint), expiry(key)]));
}

/** @param {number | undefined} number */
const failures = (number) => (number ? h("strong", { class: "wrong" }, count(number)) : "0");

/** @param {any} one a handler, or an event */
const lastError = (one) => (one.last_error ? [h("code", null, one.last_error), " ",
  h("span", { class: "muted" }, age(one.last_error_at))] : "–");

/** @param {any[]} routes */
function handlers(routes) {
  if (!routes.length) return h("p", { class: "muted" }, "No handler is registered.");
  const options = (/** @type {any} */ route) => [route.ack_first && "ack-first",
    route.schema && `schema: ${route.schema}`, route.in_order && "in order by key",
    route.concurrency && `at most ${count(route.concurrency)} at once`]
    .filter(Boolean).join(", ");
  return grid("Handlers",
    [["Events"], ["Handler"], ["Options"], ["Succeeded", "right"], ["Failed", "right"], ["Last error"]],
    routes.map((route) => [h("code", null, route.pattern), h("code", null, route.place ?? "–"),
      options(route) || "–", count(route.succeeded), failures(route.failed), lastError(route)]));
}

const NAMED = { other: "all others", none: "without a name" };

/** @param {any[]} events */
function eventTable(events) {
  if (!events.length) return h("p", { class: "muted" }, "No notification has arrived yet.");
  return grid("Events since the start", [["Event"], ["Succeeded", "right"], ["Failed", "right"],
    ["Unhandled", "right"], ["Duplicates", "right"],
    ["Given up", "right"], ["Last error"]],
  events.map((one) => [
    NAMED[/** @type {keyof typeof NAMED} */ (one.event)] ?? h("a",
      { href: `#/deliveries?event=${encodeURIComponent(one.event)}` }, reveal(one.event)),
    count(one.succeeded ?? 0),
    failures(one.failed), count(one.unhandled ?? 0), count(one.duplicates ?? 0),
    count(one.dead ?? 0), lastError(one)]));
}

/** @param {any} overview @param {any} session */
function deadLetters(overview, session) {
  const dead = overview.rows?.dead ?? 0;
  if (!overview.rows) return null;
  return panel("Dead letters",
    h("p", null, dead ? `${plural(dead, "notification")} failed, and nothing runs ${dead === 1
      ? "it" : "them"} again by itself.` : "There are none."),
    h("div", { class: "buttons" },
      dead ? h("a", { class: "button", href: "#/deliveries?state=dead" }, "Show them") : null,
      dead && session.role === "write" ? h("a", { class: "button primary",
        href: "#/bulk?state=dead" }, "Replay all that match …") : null));
}

// ---- the view ----

/**
 * Whether to draw it anew would take the focus or a selection away.
 * @param {HTMLElement} element
 */
function isInUse(element) {
  const selection = getSelection();
  return element.contains(document.activeElement)
    || (selection !== null && !selection.isCollapsed && element.contains(selection.anchorNode));
}

/** @param {string | null} name */
const rangeOf = (name) => (name && name in RANGES ? name : "hour");

/**
 * @param {string} range
 * @param {(range: string) => void} choose
 */
function rangeChoice(range, choose) {
  return h("div", { class: "choices", role: "group", "aria-label": "Time shown" },
    Object.entries(RANGES).map(([name, { label }]) => h("button", { type: "button",
      "aria-pressed": String(name === range), onclick: () => choose(name) }, label)));
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} query
 * @param {Context} ctx
 */
export async function show(main, query, ctx) {
  let range = rangeOf(query.get("range"));
  const plots = makePlots();
  const top = h("div", { class: "stack" });
  const trouble = h("p", { class: "wrong", role: "status", hidden: true });
  const plotTrouble = h("p", { class: "wrong inside", role: "status", hidden: true });
  const choice = h("div");
  const rest = h("div", { class: "panels" });
  const bulk = bulkCard(ctx, { quiet: true });

  /**
   * @param {HTMLElement} place
   * @param {unknown} error null: there is none any more
   */
  function complain(place, error) {
    if (gaveUp(error)) return;
    place.hidden = !error;
    place.textContent = error ? messageOf(error) : "";
  }

  async function askTimeline() {
    const wanted = range;
    const { seconds, again_ms } = RANGES[wanted];
    try {
      const timeline = await get("/api/timeline", { query: { range }, signal: ctx.signal });
      if (wanted === range) for (const plot of plots) plot.draw(timeline, seconds);
      complain(plotTrouble, null);
    } catch (error) {
      complain(plotTrouble, error);
    }
    return again_ms;
  }

  /** @param {string} name */
  function choose(name) {
    range = name;
    for (const button of choice.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.textContent === RANGES[name].label));
    }
    ctx.rewrite(new URLSearchParams(name === "hour" ? {} : { range: name }));
    ctx.announce(`The last ${name}`);
    drawPlots();
  }

  /** @param {any} overview */
  function draw(overview) {
    const { host, events, routes, rows, reload } = overview;
    if (!isInUse(top)) put(top, facts(host), rowsByState(rows, ctx.session));
    if (isInUse(rest)) return;
    const dead = deadLetters(overview, ctx.session);
    const live = panel("Scripts", scripts(host, reload));
    const fleet = fleetOf(overview);
    put(rest, dead, dead ? live : wide(live), fleet && wide(fleet),
      wide(panel("Handlers", handlers(routes ?? []))),
      wide(panel("Events since the start", eventTable(events ?? []))),
      wide(panel("Keys", keys(overview))));
  }

  const first = await get("/api/overview", { signal: ctx.signal });
  put(choice, rangeChoice(range, choose));
  put(main, h("div", { class: "overview stack" }, h("div", { class: "head" }, h("h1", null, title)),
    trouble, bulk.element, top,
    h("section", { class: "panel" }, h("header", null, h("h2", null, "Over time"), choice), plotTrouble,
      h("div", { class: "inside plots" }, plots.map((plot) => plot.element))), rest));
  draw(first);
  const drawPlots = poll(ctx.signal, 0, askTimeline);
  const refresh = poll(ctx.signal, OVERVIEW_MS, async () => {
    try {
      draw(await get("/api/overview", { signal: ctx.signal }));
      complain(trouble, null);
    } catch (error) {
      complain(trouble, error);
    }
    return OVERVIEW_MS;
  });
  const leave = subscribe({ resumed: refresh });

  return {
    end() {
      leave();
      for (const plot of plots) plot.end();
    },
    /** @param {URLSearchParams} now */
    update(now) {
      range = rangeOf(now.get("range"));
      put(choice, rangeChoice(range, choose));
      drawPlots();
    },
  };
}
