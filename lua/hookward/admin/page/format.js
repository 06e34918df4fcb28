// Writes times, durations and numbers for people. Times are seconds since 1970.

/**
 * @param {number} n
 * @param {number} [width]
 */
const pad = (n, width = 2) => String(n).padStart(width, "0");

/** @param {Date} date */
const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;

/**
 * @param {Date} date
 * @returns {string} "14:03"
 */
export const minute = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}`;

/** @param {Date} date */
const clock = (date) => `${minute(date)}:${pad(date.getSeconds())}`;

/**
 * @param {number | null | undefined} t
 * @returns {string} local time: "14:03:21" today, "2026-05-10 14:03" else; "" if there is none
 */
export function time(t) {
  if (t === null || t === undefined) return "";
  const date = new Date(t * 1000);
  if (day(date) === day(new Date())) return clock(date);
  return `${day(date)} ${minute(date)}`;
}

/**
 * @param {number | null | undefined} t
 * @returns {string} local time to the millisecond: "2026-05-10 14:03:21.248"
 */
export function exactTime(t) {
  if (t === null || t === undefined) return "";
  const date = new Date(t * 1000);
  return `${day(date)} ${clock(date)}.${pad(date.getMilliseconds(), 3)}`;
}

/**
 * @param {number | null | undefined} t
 * @returns {string} UTC, ISO 8601, for `datetime` and titles
 */
export function isoTime(t) {
  return t === null || t === undefined ? "" : new Date(t * 1000).toISOString();
}

/** @type {[number, string][]} */
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/**
 * @param {number} seconds not negative
 * @returns {string} one unit: "5 min"
 */
export function span(seconds) {
  for (const [size, name] of UNITS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  }
  return "0 s";
}

/**
 * @param {number | null | undefined} t
 * @param {number} [now] seconds
 * @returns {string} "5 min ago", "in 2 h", "now"; "" if there is none
 */
export function age(t, now = Date.now() / 1000) {
  if (t === null || t === undefined) return "";
  const seconds = now - t;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

/**
 * @param {number | null | undefined} ms
 * @returns {string} "0.42 ms", "12 ms", "1.20 s", "3 min"; "" if there is none
 */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
  return span(ms / 1000);
}

/**
 * @param {number | null | undefined} n
 * @returns {string} "12,345"; "" if there is none
 */
export function count(n) {
  return n === null || n === undefined ? "" : n.toLocaleString("en-US");
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 * @returns {string} "1 row", "12,345 rows"
 */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/**
 * @param {number | null | undefined} n
 * @returns {string} "812 bytes", "1.2 KB", "3.4 MB"; "" if there is none
 */
export function bytes(n) {
  if (n === null || n === undefined) return "";
  if (n < 1024) return plural(n, "byte");
  if (n < 1048576) return `${(n / 1024).toFixed(1)} KB`;
  return `${(n / 1048576).toFixed(1)} MB`;
}
