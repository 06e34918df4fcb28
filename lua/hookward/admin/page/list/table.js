// The table of deliveries: any number of rows, of which only those near the window are elements.
//
// Rows are kept in chunks, newest first. A chunk near the window is a <tbody>; each run of chunks far
// from it is one empty <tbody> of their height, so the scroll bar and what one reads stay where they
// are. The chunk that has the focus stays. One row can be reached with Tab; the arrow keys go on from
// there.

import { h } from "../dom.js";
import { COLUMNS, makeRow, refreshRow } from "./row.js";

/**
 * @typedef {import("./row.js").Row} Row
 *
 * @typedef {object} Chunk
 * @property {Row[]} rows
 * @property {HTMLTableSectionElement | null} body null: it is not drawn
 * @property {number} height in pixels, as it was last drawn
 */

const CHUNK = 50; // rows
const ROW_PX = 34; // of a row that was never drawn
const NEAR_PX = 1200;

/** Empty space in a table. */
function makeSpace() {
  const cell = h("td", { colspan: COLUMNS.length });
  return { cell, body: h("tbody", null, h("tr", { class: "blank", "aria-hidden": "true" }, cell)) };
}

export class Table {
  /** @param {{ older: () => void }} wants `older` is called when the user goes past the last row */
  constructor(wants) {
    /** @type {Chunk[]} */
    this.chunks = [];
    /** @type {Map<number, Row>} */
    this.known = new Map();
    this.wants = wants;
    this.current = 0;
    this.element = h("table", { class: "table list", role: "table", "aria-rowcount": -1,
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.#onKey(e),
      onclick: (/** @type {MouseEvent} */ e) => this.#onClick(e),
      onfocusin: (/** @type {FocusEvent} */ e) => this.#onFocus(e) },
    h("caption", { class: "unseen" }, "Deliveries, newest first"),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map(([name, heading]) =>
      h("th", { class: name, scope: "col", role: "columnheader" }, heading)))));
    /** @type {ReturnType<typeof makeSpace>[]} */
    this.spaces = [];
    this.frame = 0;
    this.onScroll = () => {
      this.frame ||= requestAnimationFrame(() => this.#arrange());
    };
    addEventListener("scroll", this.onScroll, { passive: true });
    addEventListener("resize", this.onScroll);
  }

  get size() {
    return this.known.size;
  }

  /** The newest row's number, 0 without rows. */
  get newest() {
    return this.chunks[0]?.rows[0]?.seq ?? 0;
  }

  /** The oldest row's number, 0 without rows. */
  get oldest() {
    return this.chunks.at(-1)?.rows.at(-1)?.seq ?? 0;
  }

  get focused() {
    return this.element.contains(document.activeElement);
  }

  /** All rows, newest first. @returns {Row[]} */
  rows() {
    return this.chunks.flatMap((chunk) => chunk.rows);
  }

  clear() {
    this.chunks = [];
    this.known.clear();
    this.current = 0;
    this.#arrange();
  }

  /** @param {Row[]} rows older than all that are there, newest first */
  append(rows) {
    const fresh = rows.filter((row) => !this.known.has(row.seq));
    for (let at = 0; at < fresh.length; at += CHUNK) {
      this.chunks.push(this.#chunk(fresh.slice(at, at + CHUNK)));
    }
    this.#arrange();
  }

  /** @param {Row[]} rows newer than all that are there, newest first */
  prepend(rows) {
    const fresh = rows.filter((row) => !this.known.has(row.seq));
    const top = this.chunks[0];
    if (fresh.length === 0) return;
    if (!top || top.rows.length + fresh.length > CHUNK) this.chunks.unshift(this.#chunk(fresh));
    else {
      for (const row of fresh) this.known.set(row.seq, row);
      top.rows.unshift(...fresh);
      top.body?.prepend(...fresh.map(makeRow));
    }
    this.#arrange();
  }

  /**
   * Puts a row where its number belongs; one that is older than all rows is left out.
   * @param {Row} row
   */
  insert(row) {
    const chunk = this.chunks.find(({ rows }) => rows[rows.length - 1].seq < row.seq);
    if (!chunk || this.known.has(row.seq)) return;
    const at = chunk.rows.findIndex((other) => other.seq < row.seq);
    chunk.rows.splice(at, 0, row);
    this.known.set(row.seq, row);
    chunk.body?.insertBefore(makeRow(row), chunk.body.rows[at]);
  }

  /**
   * Changes a row where it stands.
   * @param {number} seq
   * @param {Partial<Row>} change
   * @returns {boolean} the row is there
   */
  update(seq, change) {
    const row = this.known.get(seq);
    if (!row) return false;
    Object.assign(row, change);
    const tr = this.#rowElement(seq);
    if (tr) refreshRow(tr, row);
    return true;
  }

  /**
   * Forgets the oldest rows over `most`, as far as they are not on the screen.
   * @param {number} most
   * @returns {boolean} some were forgotten
   */
  trim(most) {
    let trimmed = false;
    while (this.known.size > most && this.chunks.length > 1 && !this.chunks.at(-1)?.body) {
      const chunk = /** @type {Chunk} */ (this.chunks.pop());
      for (const row of chunk.rows) this.known.delete(row.seq);
      trimmed = true;
    }
    if (trimmed) this.#arrange();
    return trimmed;
  }

  /**
   * @param {number} seq
   * @returns {boolean} the row is there and has the focus now
   */
  focus(seq) {
    const chunk = this.chunks.find(({ rows }) => rows.some((row) => row.seq === seq));
    if (chunk && !chunk.body) this.#arrange(chunk);
    const link = this.#rowElement(seq)?.querySelector("a");
    link?.focus();
    return Boolean(link);
  }

  end() {
    cancelAnimationFrame(this.frame);
    removeEventListener("scroll", this.onScroll);
    removeEventListener("resize", this.onScroll);
  }

  // ---- chunks ----

  /** @param {Row[]} rows @returns {Chunk} */
  #chunk(rows) {
    for (const row of rows) this.known.set(row.seq, row);
    return { rows, body: null, height: rows.length * ROW_PX };
  }

  /**
   * Draws the chunks near the window, and puts empty space in the place of the others.
   * @param {Chunk} [wanted] is drawn wherever it is
   */
  #arrange(wanted) {
    this.frame = 0;
    const from = -this.element.getBoundingClientRect().top - NEAR_PX;
    const to = from + innerHeight + 2 * NEAR_PX;
    /** @type {HTMLTableSectionElement[]} */
    const bodies = [];
    let at = 0;
    let blank = 0;
    let spaces = 0;
    const fill = () => {
      if (blank > 0) bodies.push(this.#space(spaces++, blank));
      blank = 0;
    };
    for (const chunk of this.chunks) if (chunk.body) chunk.height = chunk.body.offsetHeight;
    for (const chunk of this.chunks) {
      const near = at < to && at + chunk.height > from;
      at += chunk.height;
      if (near || chunk === wanted || chunk.body?.contains(document.activeElement)) {
        fill();
        bodies.push(chunk.body ??= h("tbody", { role: "rowgroup" }, chunk.rows.map(makeRow)));
      } else {
        chunk.body = null;
        blank += chunk.height;
      }
    }
    fill();
    this.#place(bodies);
    this.#keepCurrent();
  }

  /** @param {number} i @param {number} height in pixels */
  #space(i, height) {
    const { cell, body } = this.spaces[i] ??= makeSpace();
    cell.style.height = `${height}px`;
    return body;
  }

  /**
   * Makes these the table's bodies. One that stays is not touched, so that it keeps the focus.
   * @param {HTMLTableSectionElement[]} bodies
   */
  #place(bodies) {
    const stay = new Set(bodies);
    for (const { body } of this.spaces) stay.delete(body);
    for (const body of [...this.element.tBodies]) if (!stay.has(body)) body.remove();
    let next = this.element.tBodies[0] ?? null;
    for (const body of bodies) {
      if (body === next) next = /** @type {any} */ (next.nextElementSibling);
      else this.element.insertBefore(body, next);
    }
  }

  // ---- rows and the keyboard ----

  /** @param {number} seq @returns {HTMLTableRowElement | null} */
  #rowElement(seq) {
    return this.element.querySelector(`tr[data-seq="${seq}"]`);
  }

  /** One link can be reached with Tab: the current row's, else the first one's. */
  #keepCurrent() {
    const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (
      this.element.querySelectorAll('a.open[tabindex="0"]'));
    const wanted = this.#rowElement(this.current) ?? this.element.querySelector("tr.row");
    const link = wanted?.querySelector("a");
    for (const other of links) if (other !== link) other.tabIndex = -1;
    if (link) link.tabIndex = 0;
  }

  /** @param {FocusEvent} event */
  #onFocus(event) {
    const tr = /** @type {Element} */ (event.target).closest("tr[data-seq]");
    if (!tr) return;
    this.current = Number(/** @type {HTMLElement} */ (tr).dataset.seq);
    this.#keepCurrent();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const links = [.../** @type {NodeListOf<HTMLElement>} */ (
      this.element.querySelectorAll("a.open"))];
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    event.preventDefault();
    const to = Math.min(Math.max(at + step, 0), links.length - 1);
    links[to].focus();
    if (to === links.length - 1 && this.chunks.at(-1)?.body) this.wants.older();
  }

  /**
   * A click anywhere on a row opens it, but for one that ends a selection of text.
   * @param {MouseEvent} event
   */
  #onClick(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("a") || String(getSelection()) !== "") return;
    target.closest("tr[data-seq]")?.querySelector("a")?.click();
  }
}
