// The axes of a plot: where their marks are, and what is written beside them.

import { minute } from "../format.js";

// ---- numbers ----

/**
 * @param {number} value
 * @returns {string} "0.25", "3.4", "120", "12,300": three digits that count
 */
function short(value) {
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/**
 * @typedef {object} Unit how numbers are written
 * @property {number} factor of a number that is written
 * @property {(value: number) => string} text writes one, with its unit
 */

/** @type {[number, string][]} */
const RATES = [[1, "/s"], [60, "/min"], [3600, "/h"]];

/**
 * @param {number} factor
 * @param {string} suffix
 * @returns {Unit}
 */
const unit = (factor, suffix) => ({ factor, text: (value) => short(value * factor) + suffix });

/** Each makes a unit that suits the largest number of a plot. */
export const units = {
  /**
   * A rate of less than two a second is easier to read by the minute, or by the hour.
   * @param {number} max per second
   */
  rate(max) {
    return unit(.../** @type {[number, string]} */ (max === 0 ? RATES[0]
      : RATES.find(([by]) => max * by >= 2) ?? RATES[RATES.length - 1]));
  },
  /** @param {number} max seconds */
  seconds(max) {
    if (max > 0 && max < 1e-3) return unit(1e6, " µs");
    return max < 1 ? unit(1e3, " ms") : unit(1, " s");
  },
  count() {
    return unit(1, "");
  },
};

/**
 * @param {number} max
 * @param {boolean} whole they are whole numbers
 * @returns {number[]} the marks from 0 up to at least `max`: 1, 2 or 5 times a power of ten apart
 */
export function ticks(max, whole) {
  if (!(max > 0)) return [0, 1];
  const rough = max / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = power * ([1, 2, 5].find((by) => by * power >= rough) ?? 10);
  if (whole) step = Math.max(1, step);
  const marks = [];
  for (let i = 0; i * step < max + step * 0.999; i++) marks.push(i * step);
  return marks;
}

// ---- times ----

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MARK_PX = 52; // of width for one mark

// How far apart the marks of time are for a span: in minutes, then in whole days.
const GAPS = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880];

/** @param {Date} date @returns {string} "Fri 10" */
const weekday = (date) => `${DAYS[date.getDay()]} ${date.getDate()}`;

/**
 * @param {number} from seconds
 * @param {number} to seconds
 * @param {number} width in pixels
 * @returns {[number, string][]} times, and what is written below them
 */
export function timeMarks(from, to, width) {
  const most = Math.max(2, Math.floor(width / MARK_PX));
  const gap = GAPS.find((minutes) => (to - from) / (minutes * 60) <= most) ?? 2880;
  /** @type {[number, string][]} */
  const marks = [];
  const date = new Date(from * 1000);
  date.setHours(0, 0, 0, 0);
  for (let t = date.getTime() / 1000; t <= to; t = date.getTime() / 1000) {
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    if (t >= from) marks.push([t, gap >= 1440 || midnight ? weekday(date) : minute(date)]);
    if (gap >= 1440) date.setDate(date.getDate() + gap / 1440);
    else date.setMinutes(date.getMinutes() + gap);
  }
  return marks;
}

/**
 * @param {number} t seconds
 * @param {number} span of the plot, in seconds
 * @returns {string} "15:20", and with the day if that is not clear
 */
export function momentOf(t, span) {
  const date = new Date(t * 1000);
  const today = span <= 86400 && date.toDateString() === new Date().toDateString();
  return today ? minute(date) : `${weekday(date)}, ${minute(date)}`;
}
