// The table of deliveries: any number of rows, of which only those near the window are elements.
//
// Rows are kept in chunks, a <tbody> each, newest first. A chunk that is far from the window is
// replaced by an empty row of the same height, so the scroll bar and what one reads stay where they
// are. One row can be reached with Tab; the arrow keys go on from there.

import { h, put } from "../dom.js";
import { COLUMNS, makeRow, refreshRow } from "./row.js";

/** @typedef {import("./row.js").Row} Row */
/** @typedef {{ rows: Row[], body: HTMLTableSectionElement, drawn: boolean }} Chunk */

const CHUNK = 50;
const NEAR = "1200px";

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
    this.near = new IntersectionObserver((entries) => this.#onNear(entries), { rootMargin: NEAR });
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
    for (const chunk of this.chunks) this.#drop(chunk);
    this.chunks = [];
    this.known.clear();
    this.current = 0;
  }

  /** @param {Row[]} rows older than all that are there, newest first */
  append(rows) {
    const fresh = rows.filter((row) => !this.known.has(row.seq));
    for (let at = 0; at < fresh.length; at += CHUNK) this.#add(fresh.slice(at, at + CHUNK), false);
    this.#keepCurrent();
  }

  /** @param {Row[]} rows newer than all that are there, newest first */
  prepend(rows) {
    const fresh = rows.filter((row) => !this.known.has(row.seq));
    const top = this.chunks[0];
    if (!top || top.rows.length + fresh.length > CHUNK) this.#add(fresh, true);
    else {
      for (const row of fresh) this.known.set(row.seq, row);
      top.rows.unshift(...fresh);
      if (top.drawn) top.body.prepend(...fresh.map(makeRow));
    }
    this.#keepCurrent();
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
    if (chunk.drawn) chunk.body.insertBefore(makeRow(row), chunk.body.rows[at]);
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
    while (this.known.size > most && this.chunks.length > 1 && !this.chunks.at(-1)?.drawn) {
      const chunk = /** @type {Chunk} */ (this.chunks.pop());
      for (const row of chunk.rows) this.known.delete(row.seq);
      this.#drop(chunk);
      trimmed = true;
    }
    return trimmed;
  }

  /**
   * @param {number} seq
   * @returns {boolean} the row is there and has the focus now
   */
  focus(seq) {
    const chunk = this.chunks.find(({ rows }) => rows.some((row) => row.seq === seq));
    if (chunk && !chunk.drawn) this.#draw(chunk);
    const link = this.#rowElement(seq)?.querySelector("a");
    link?.focus();
    return Boolean(link);
  }

  end() {
    this.near.disconnect();
  }

  // ---- chunks ----

  /** @param {Row[]} rows @param {boolean} first */
  #add(rows, first) {
    if (rows.length === 0) return;
    const body = h("tbody", { role: "rowgroup" });
    const chunk = { rows, body, drawn: false };
    for (const row of rows) this.known.set(row.seq, row);
    if (first) {
      this.chunks.unshift(chunk);
      this.element.insertBefore(body, this.element.tBodies[0] ?? null);
    } else {
      this.chunks.push(chunk);
      this.element.append(body);
    }
    this.#draw(chunk);
    this.near.observe(body);
  }

  /** @param {Chunk} chunk */
  #drop(chunk) {
    this.near.unobserve(chunk.body);
    chunk.body.remove();
  }

  /** @param {Chunk} chunk */
  #draw(chunk) {
    put(chunk.body, chunk.rows.map(makeRow));
    chunk.drawn = true;
    this.#keepCurrent();
  }

  /** @param {Chunk} chunk */
  #blank(chunk) {
    const cell = h("td", { colspan: COLUMNS.length });
    cell.style.height = `${chunk.body.offsetHeight}px`;
    put(chunk.body, h("tr", { class: "blank", "aria-hidden": "true" }, cell));
    chunk.drawn = false;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onNear(entries) {
    for (const { target, isIntersecting } of entries) {
      const chunk = this.chunks.find(({ body }) => body === target);
      if (!chunk || chunk.drawn === isIntersecting) continue;
      if (isIntersecting) this.#draw(chunk);
      else if (!target.contains(document.activeElement)) this.#blank(chunk);
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
    if (to === links.length - 1) this.wants.older();
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
