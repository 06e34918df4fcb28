// The filter of the deliveries: in the address, for the API, and for a record that arrives live.

import { STATES } from "../parts/state.js";

/**
 * @typedef {object} Filter
 * @property {string[]} states none: all
 * @property {string} event a name, "Entity.*", "*.Event", or ""
 * @property {string} id
 * @property {string} error text in the error, whatever its case
 * @property {string} since an age ("15m", "1h", "7d"), an ISO 8601 time in UTC, or seconds since
 *   1970; or ""
 * @property {string} until the same
 */

/** The members that are texts. @type {("event" | "id" | "error" | "since" | "until")[]} */
const TEXTS = ["event", "id", "error", "since", "until"];
const UNITS = { s: 1, m: 60, h: 3600, d: 86400 };

/**
 * @param {URLSearchParams} query the address's
 * @returns {Filter}
 */
export function readFilter(query) {
  const states = (query.get("state") ?? "").split(",").filter((state) => state in STATES);
  const text = (/** @type {string} */ name) => (query.get(name) ?? "").trim();
  return { states, event: text("event"), id: text("id"), error: text("error"),
    since: text("since"), until: text("until") };
}

/**
 * @param {Filter} filter
 * @returns {URLSearchParams} for the address
 */
export function writeFilter(filter) {
  const query = new URLSearchParams();
  if (filter.states.length > 0) query.set("state", filter.states.join(","));
  for (const name of TEXTS) if (filter[name]) query.set(name, filter[name]);
  return query;
}

/**
 * @param {string} text as `since` of a filter
 * @returns {number | null} seconds since 1970; null if it is no time
 */
export function readTime(text) {
  const age = /^(\d+)([smhd])$/.exec(text);
  if (age) return Date.now() / 1000 - Number(age[1]) * UNITS[/** @type {keyof typeof UNITS} */ (age[2])];
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms / 1000;
}

/**
 * @param {Filter} filter
 * @returns {Record<string, unknown>} the query of /api/deliveries
 */
export function forApi(filter) {
  return { state: filter.states.join(","), event: filter.event, id: filter.id,
    error: filter.error, since: readTime(filter.since), until: readTime(filter.until) };
}

/**
 * @param {Filter} filter
 * @returns {string} the address of the replay of all that match
 */
export function bulkAddress(filter) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(forApi(filter))) {
    if (value !== null && value !== "") query.set(name, String(value));
  }
  return `#/bulk?${query}`;
}

/**
 * @param {Filter} filter
 * @returns {boolean} it lets everything through
 */
export function isEmpty(filter) {
  return filter.states.length === 0 && TEXTS.every((name) => filter[name] === "");
}

/**
 * @param {string} pattern
 * @param {string} event
 */
function fits(pattern, event) {
  if (pattern === "" || pattern === "*") return true;
  if (pattern.endsWith(".*")) return event.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith("*.")) return event.endsWith(pattern.slice(1));
  return event === pattern;
}

/**
 * @param {Filter} filter
 * @param {{ state: string, event: string, id: string, error?: string | null,
 *   reason?: string | null }} record that just arrived
 * @returns {boolean} it belongs into the list
 */
export function matches(filter, record) {
  const until = readTime(filter.until);
  const said = `${record.error ?? ""} ${record.reason ?? ""}`.toLowerCase();
  return (filter.states.length === 0 || filter.states.includes(record.state))
    && fits(filter.event, record.event) && (filter.id === "" || filter.id === record.id)
    && said.includes(filter.error.toLowerCase()) && (until === null || until >= Date.now() / 1000);
}
