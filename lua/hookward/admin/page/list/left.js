// The list of deliveries as the user left it for one of them.

/**
 * @typedef {object} Left
 * @property {string} query the address's
 * @property {import("./row.js").Row[]} rows
 * @property {number | null} next where its next page begins
 * @property {number} scroll
 * @property {number} seq the row that was current
 */

/** @type {Left | null} */
let left = null;

/** @param {Left} now */
export function leaveList(now) {
  left = now;
}

/**
 * @param {string} query
 * @returns {Left | null} the list, if it was left with this query
 */
export function returnToList(query) {
  return left?.query === query ? left : null;
}

/** The address of the list. */
export function listAddress() {
  return left?.query ? `#/deliveries?${left.query}` : "#/deliveries";
}

/**
 * @param {number} seq
 * @returns {{ newer?: number, older?: number }} the rows beside it, as far as the list has them
 */
export function neighbours(seq) {
  const rows = left?.rows ?? [];
  const at = rows.findIndex((row) => row.seq === seq);
  if (at < 0) return {};
  return { newer: rows[at - 1]?.seq, older: rows[at + 1]?.seq };
}

/**
 * Notes which row the user looks at, so that the list has it as its current one.
 * @param {number} seq
 */
export function lookAt(seq) {
  if (left?.rows.some((row) => row.seq === seq)) left.seq = seq;
}

/**
 * Forgets a row that was removed.
 * @param {number} seq
 */
export function forget(seq) {
  if (left) left.rows = left.rows.filter((row) => row.seq !== seq);
}
