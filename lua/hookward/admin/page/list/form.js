// The controls of the filter above the list.

import { h, put } from "../dom.js";
import { count } from "../format.js";
import { bulkAddress, isEmpty, readTime } from "./filter.js";
import { badge, STATES } from "../parts/state.js";
import { debounce } from "../timing.js";

/** @typedef {import("./filter.js").Filter} Filter */

const TYPING_MS = 350;
const AGES = [["", "Any time"], ["15m", "Last 15 minutes"], ["1h", "Last hour"],
  ["24h", "Last 24 hours"], ["7d", "Last 7 days"]];
const BETWEEN = "between";

/**
 * @param {string} iso
 * @returns {string} for an input of type datetime-local
 */
function toLocal(iso) {
  const t = readTime(iso);
  if (t === null) return "";
  return new Date(t * 1000 - new Date(t * 1000).getTimezoneOffset() * 60000).toISOString()
    .slice(0, 16);
}

/** @param {string} local */
const fromLocal = (local) => (local ? new Date(local).toISOString().replace(":00.000Z", "Z") : "");

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [kind]
 */
const field = (label, control, kind = "") =>
  h("label", { class: `field ${kind}` }, h("span", null, label), control);

/**
 * @param {(filter: Filter) => void} changed is called with the new filter
 * @param {boolean} mayReplay
 */
export function filterForm(changed, mayReplay) {
  /** @type {Filter} */
  let filter;
  const change = (/** @type {Partial<Filter>} */ part) => {
    filter = { ...filter, ...part };
    show(filter);
    changed(filter);
  };
  const typed = debounce(TYPING_MS, change);

  /** @param {"event" | "id" | "error"} name @param {Record<string, unknown>} more */
  const input = (name, more) => h("input", { type: "search", autocomplete: "off", spellcheck: "false",
    autocapitalize: "off", oninput: (/** @type {any} */ e) => typed({ [name]: e.target.value.trim() }),
    ...more });

  const events = h("datalist", { id: "event-names" });
  const inputs = {
    event: input("event", { list: "event-names", placeholder: "Entity.Event or Entity.*" }),
    id: input("id", { placeholder: "8812" }),
    error: input("error", { placeholder: "timed out" }),
  };
  const between = (/** @type {"since" | "until"} */ name) => h("input", { type: "datetime-local",
    onchange: (/** @type {any} */ e) => change({ [name]: fromLocal(e.target.value) }) });
  const since = between("since");
  const until = between("until");
  const range = h("div", { class: "range", hidden: true },
    field("From", since), field("To", until));
  const when = h("select", { onchange: () => {
    range.hidden = when.value !== BETWEEN;
    if (when.value !== BETWEEN) change({ since: when.value, until: "" });
    else since.focus();
  } }, AGES.map(([value, label]) => h("option", { value }, label)),
  h("option", { value: BETWEEN }, "Between …"));

  const toggle = (/** @type {string} */ state) => {
    const states = filter.states.includes(state)
      ? filter.states.filter((other) => other !== state) : [...filter.states, state];
    change({ states });
  };
  const chips = new Map(Object.keys(STATES).map((state) => {
    const number = h("span", { class: "number" });
    const chip = h("button", { type: "button", class: "chip", onclick: () => toggle(state) },
    badge(state), number);
    return [state, { chip, number }];
  }));
  const clear = h("button", { type: "button", class: "quiet", onclick: () => change({ states: [],
    event: "", id: "", error: "", since: "", until: "" }) }, "Clear");
  const replayAll = h("a", { class: "button quiet" }, "Replay all that match …");
  const fields = h("details", { class: "more-filters" }, h("summary", null, "More filters"),
    h("div", { class: "grid" }, field("Event", inputs.event, "wide"), field("Job", inputs.id),
      field("Text in the error", inputs.error, "wide"), field("Received", when), range));
  const wide = matchMedia("(min-width: 48.01rem)");
  const unfold = () => { fields.open = fields.open || wide.matches; };
  wide.addEventListener("change", unfold);
  unfold();

  /** @param {Filter} now */
  function show(now) {
    filter = now;
    for (const [state, { chip }] of chips) {
      chip.setAttribute("aria-pressed", String(now.states.includes(state)));
    }
    for (const name of /** @type {("event" | "id" | "error")[]} */ (["event", "id", "error"])) {
      if (inputs[name].value.trim() !== now[name]) inputs[name].value = now[name];
    }
    const age = AGES.some(([value]) => value === now.since) && now.until === "";
    if (!(age && now.since === "" && when.value === BETWEEN)) when.value = age ? now.since : BETWEEN;
    range.hidden = when.value !== BETWEEN;
    since.value = toLocal(now.since);
    until.value = toLocal(now.until);
    clear.hidden = isEmpty(now);
    replayAll.hidden = clear.hidden || !mayReplay;
    replayAll.href = bulkAddress(now);
    if (now.event || now.id || now.error || now.since || now.until) fields.open = true;
  }

  const element = h("form", { class: "filter", role: "search", "aria-label": "Filter deliveries",
    onsubmit: (/** @type {Event} */ e) => e.preventDefault() },
  h("div", { class: "chips", role: "group", "aria-label": "States" },
    [...chips.values()].map(({ chip }) => chip), clear, replayAll), fields, events);

  return {
    element,
    show,
    /** @param {Record<string, number> | undefined} rows by state */
    showCounts(rows) {
      if (!rows) return;
      for (const [state, { number }] of chips) number.textContent = count(rows[state] ?? 0);
    },
    /** @param {string[]} names */
    suggest(names) {
      const entities = new Set(names.map((name) => `${name.split(".")[0]}.*`));
      put(events, [...names, ...entities].sort().map((value) => h("option", { value })));
    },
    /** Forgets what was typed but not yet acted upon. */
    end() {
      typed.cancel();
      wide.removeEventListener("change", unfold);
    },
  };
}
