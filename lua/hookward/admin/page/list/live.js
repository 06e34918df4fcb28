// What arrives while the list is looked at: shown at once, or held back while the user reads.
//
// Records are gathered and shown four times a second. Of more than forty new ones at a time, the
// newest forty are shown and the others are counted as left out.

const FLUSH_MS = 250;
const AT_ONCE = 40;
const HELD_AT_MOST = 200;
const RATE_OVER_MS = 3000;

/**
 * @typedef {import("./row.js").Row} Row
 * @typedef {{ n: number, at: number, row: number, id: string, event: string, state: string,
 *   attempt: number, error?: string | null, reason?: string | null }} LiveRecord
 *
 * @typedef {object} List what the live part needs of the list
 * @property {(record: LiveRecord) => boolean} update changes the row of this record, if it is there
 * @property {(record: LiveRecord) => boolean} wanted it belongs into the list
 * @property {() => boolean} reading new rows would move what the user reads
 * @property {(rows: Row[]) => void} add
 * @property {(numbers: { held: number, left: number, rate: number }) => void} tell
 */

/** @param {LiveRecord} record @returns {Row} */
const toRow = (record) => ({ seq: record.row, id: record.id, event: record.event,
  state: record.state, attempt: record.attempt, error: record.error, reason: record.reason,
  received_at: record.at });

export class Live {
  /** @param {List} list */
  constructor(list) {
    this.list = list;
    /** @type {Map<number, Row>} */
    this.held = new Map();
    this.lost = 0;
    this.left = 0;
    /** @type {{ at: number, n: number }[]} */
    this.recent = [];
    this.timer = setInterval(() => this.flush(), FLUSH_MS);
  }

  /** @param {{ records: LiveRecord[], skipped: number }} data */
  take({ records, skipped }) {
    this.recent.push({ at: Date.now(), n: records.length + skipped });
    this.lost += skipped;
    for (const record of records) {
      if (this.list.update(record)) continue;
      const held = this.held.get(record.row);
      if (held) Object.assign(held, toRow(record), { received_at: held.received_at });
      else if (record.row > 0 && this.list.wanted(record)) this.held.set(record.row, toRow(record));
    }
    while (this.held.size > HELD_AT_MOST) {
      this.held.delete(/** @type {number} */ (this.held.keys().next().value));
      this.lost += 1;
    }
  }

  /** Shows what was held back, unless the user reads. */
  flush() {
    if (!this.list.reading()) this.show();
    this.list.tell({ held: this.held.size + (this.list.reading() ? this.lost : 0),
      left: this.left, rate: this.#rate() });
  }

  /** Shows what was held back. */
  show() {
    const rows = [...this.held.values()].sort((a, b) => b.seq - a.seq);
    this.left += this.lost + Math.max(0, rows.length - AT_ONCE);
    this.lost = 0;
    this.held.clear();
    if (rows.length > 0) this.list.add(rows.slice(0, AT_ONCE));
  }

  /** Forgets what was held back or left out: the list was loaded anew. */
  reset() {
    this.held.clear();
    this.lost = 0;
    this.left = 0;
  }

  /** Some were left out, so that showing what was held back would leave a gap. */
  get gap() {
    return this.lost > 0 || this.held.size > AT_ONCE;
  }

  #rate() {
    const from = Date.now() - RATE_OVER_MS;
    this.recent = this.recent.filter(({ at }) => at >= from);
    return this.recent.reduce((sum, { n }) => sum + n, 0) / (RATE_OVER_MS / 1000);
  }

  end() {
    clearInterval(this.timer);
  }
}
