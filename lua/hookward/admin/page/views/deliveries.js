// The deliveries, newest first, live, filtered.
//
// Pages are asked for by key (`before` a row), so the hundred-thousandth row costs what the first
// one does. The list that was left for one delivery is still there when the user comes back.

import { get, gaveUp, messageOf } from "../api.js";
import { h, put } from "../dom.js";
import { count, exactTime, plural } from "../format.js";
import { filterForm } from "../list/form.js";
import { forApi, isEmpty, matches, readFilter, writeFilter } from "../list/filter.js";
import { noLedger, nothingMatches, nothingYet } from "../list/hints.js";
import { leaveList, returnToList } from "../list/left.js";
import { Live } from "../list/live.js";
import { Table } from "../list/table.js";
import { subscribe } from "../stream.js";

/** @typedef {import("../list/filter.js").Filter} Filter */
/** @typedef {import("../app.js").Context} Context */

export const title = "Deliveries";

const PAGE = 100;
const KEPT_LIVE = 2000;
const TOP_PX = 60;
const POINTING_MS = 2500;

class Deliveries {
  /** @param {HTMLElement} main @param {Context} ctx @param {URLSearchParams} query */
  constructor(main, ctx, query) {
    this.ctx = ctx;
    this.filter = readFilter(query);
    /** @type {number | null} where the next older page begins; null: there is none */
    this.next = null;
    /** @type {{ seq: number, received_at: number } | null} */
    this.searched = null;
    /** @type {AbortController | null} */
    this.loading = null;
    this.broken = false; // the last request failed
    this.pointedAt = 0;
    this.scroll = 0;
    this.told = 0; // how many the page says were left out

    this.table = new Table({ older: () => this.older() });
    this.form = filterForm((filter) => this.refilter(filter), ctx.session.role === "write");
    this.live = new Live({
      update: (record) => this.table.update(record.row, { state: record.state,
        attempt: record.attempt, error: record.error ?? null, reason: record.reason ?? null,
        next_run_at: null, parked: false }),
      wanted: (record) => record.row > this.table.oldest && matches(this.filter, record),
      reading: () => this.reading(),
      add: (rows) => this.add(rows),
      tell: (numbers) => this.tell(numbers),
    });
    this.build(main);
  }

  /** @param {HTMLElement} main */
  build(main) {
    this.news = h("button", { type: "button", class: "primary news", hidden: true,
      onclick: () => this.toNewest() });
    this.pace = h("span", { class: "muted small pace" });
    this.missed = h("p", { class: "missed", hidden: true });
    this.footText = h("p", { class: "muted" });
    this.footButton = h("button", { type: "button", onclick: () => this.footAction() });
    this.foot = h("div", { class: "list-foot" }, this.footText, this.footButton);
    this.footAction = () => {};
    this.hint = h("div");
    this.panel = h("div", { class: "panel list-panel",
      onmousemove: () => { this.pointedAt = Date.now(); } }, this.table.element);
    put(main, h("div", { class: "head" }, h("h1", null, title), this.pace), this.form.element,
      h("div", { class: "news-place" }, this.news), this.missed, this.panel, this.hint, this.foot);
    this.end = new IntersectionObserver((entries) => {
      const asked = document.activeElement === this.footButton; // then only a press loads more
      if (entries.at(-1)?.isIntersecting && !this.searched && !this.broken && !asked) this.older();
    }, { rootMargin: "600px" });
    this.end.observe(this.foot);
  }

  // ---- what is live ----

  /** New rows on top would move what the user reads, points at, or has the focus on. */
  reading() {
    return scrollY > TOP_PX || this.table.focused || Date.now() - this.pointedAt < POINTING_MS;
  }

  /** @param {any[]} rows newest first */
  add(rows) {
    const newest = this.table.newest;
    this.table.prepend(rows.filter((row) => row.seq > newest));
    for (const row of rows) if (row.seq < newest) this.table.insert(row);
    if (this.table.trim(KEPT_LIVE)) this.next = this.table.oldest;
    this.showFoot();
  }

  /** @param {{ held: number, left: number, rate: number }} numbers */
  tell({ held, left: missed, rate }) {
    this.news.hidden = held === 0;
    const text = `${count(held)} new`;
    if (held > 0 && this.news.textContent !== text) this.news.textContent = text;
    this.pace.textContent = rate >= 0.5 ? `${count(Math.round(rate))} a second` : "";
    if (missed === this.told) return;
    this.told = missed;
    this.missed.hidden = missed === 0;
    put(this.missed, `Deliveries arrive too fast to be read: ${count(missed)} are left out here. `,
      h("button", { type: "button", onclick: () => this.load() }, "Load the newest"));
  }

  async toNewest() {
    scrollTo({ top: 0 });
    this.pointedAt = 0;
    if (this.live.gap) await this.load();
    else this.live.show();
    this.table.focus(this.table.newest);
  }

  // ---- pages ----

  /** @param {number | null} before */
  ask(before) {
    this.loading?.abort();
    const stop = this.loading = new AbortController();
    this.ctx.signal.addEventListener("abort", () => stop.abort());
    return get("/api/deliveries", { signal: stop.signal,
      query: { ...forApi(this.filter), before, limit: PAGE } });
  }

  /** Loads the newest page. */
  async load() {
    this.panel.classList.add("waiting");
    try {
      const page = await this.ask(null);
      this.live.reset();
      this.table.clear();
      this.take(page);
      this.ctx.announce(this.size());
    } catch (error) {
      if (!gaveUp(error)) this.showNothing();
      this.fail(error, () => this.load());
    }
    this.panel.classList.remove("waiting");
  }

  /** What is shown would not be what was asked for. */
  showNothing() {
    this.table.clear();
    this.next = null;
    this.panel.hidden = true;
    put(this.hint);
  }

  /** Loads the next older page, if there is one and none is on its way. */
  async older() {
    if (this.next === null || this.loading) return;
    this.setFoot("", "Loading older deliveries …", () => {});
    try {
      this.take(await this.ask(this.next));
      if (this.searched) this.ctx.announce(this.size());
    } catch (error) {
      this.fail(error, () => this.older());
    }
  }

  /** @param {{ rows: any[], more: boolean, next: number | null, searched_to: any }} page */
  take(page) {
    this.loading = null;
    this.broken = false;
    this.table.append(page.rows);
    this.next = page.more ? page.next : null;
    this.searched = page.searched_to ?? null;
    this.showFoot();
    this.end.unobserve(this.foot);
    this.end.observe(this.foot);
  }

  /** What came while the stream was interrupted: the newest page tells. */
  async catchUp() {
    if (this.loading) return;
    try {
      const page = await this.ask(null);
      this.loading = null;
      const newest = this.table.newest;
      const fresh = page.rows.filter((/** @type {any} */ row) => !this.table.update(row.seq, row));
      if (fresh.length === page.rows.length && page.more) {
        if (!this.reading()) return this.load();
        this.live.lost += fresh.length;
      }
      for (const row of fresh) if (row.seq > newest) this.live.held.set(row.seq, row);
    } catch (error) {
      if (!gaveUp(error)) this.loading = null;
    }
  }

  /** @param {unknown} error @param {() => void} again */
  fail(error, again) {
    if (gaveUp(error)) return;
    this.loading = null;
    this.broken = true;
    const text = messageOf(error);
    this.setFoot(text, "Try again", again);
    this.footText.className = "wrong";
    this.ctx.announce(text);
  }

  // ---- what is said below the list ----

  size() {
    return `${plural(this.table.size, "delivery", "deliveries")}${this.next ? " and more" : ""}`;
  }

  showFoot() {
    const none = this.table.size === 0;
    const clear = () => this.refilter(readFilter(new URLSearchParams()));
    this.panel.hidden = none;
    put(this.hint, !none || this.next ? null : isEmpty(this.filter)
      ? nothingYet(this.ctx.session) : nothingMatches(clear));
    const older = () => this.older();
    if (this.searched) {
      const back = exactTime(this.searched.received_at).slice(0, 19);
      this.setFoot(`${none ? "Nothing found yet; searched" : "Searched"} back to ${back}.`,
        "Search further", older);
    } else if (this.next) this.setFoot("", "Load older deliveries", older);
    else this.setFoot(none ? "" : `The end of the list: ${this.size()}.`, null, older);
  }

  /**
   * The button stays the same element, so that it keeps the focus.
   * @param {string} text @param {string | null} label null: no button @param {() => void} action
   */
  setFoot(text, label, action) {
    this.footText.className = "muted";
    this.footText.textContent = text;
    this.footButton.hidden = label === null;
    this.footButton.textContent = label;
    this.footAction = action;
  }

  // ---- the filter, and leaving ----

  /** @param {Filter} filter */
  refilter(filter) {
    this.form.show(filter);
    this.filter = filter;
    this.ctx.rewrite(writeFilter(filter));
    scrollTo({ top: 0 });
    return this.load();
  }

  /** Shows the list as it was left; false if another one was. */
  restore() {
    const kept = returnToList(writeFilter(this.filter).toString());
    if (!kept || kept.rows.length === 0) return false;
    this.table.append(kept.rows);
    this.next = kept.next;
    this.showFoot();
    scrollTo({ top: kept.scroll });
    this.table.focus(kept.seq);
    this.catchUp();
    return true;
  }

  leave() {
    leaveList({ query: writeFilter(this.filter).toString(), rows: this.table.rows(),
      next: this.next, scroll: this.scroll, seq: this.table.current });
    this.loading?.abort();
    this.form.end();
    this.live.end();
    this.table.end();
    this.end.disconnect();
  }
}

/** @param {Deliveries} list */
async function suggestEvents(list) {
  try {
    const { events = [] } = await get("/api/state", { signal: list.ctx.signal });
    list.form.suggest(events.map((/** @type {any} */ e) => e.event ?? e).filter(
      (/** @type {any} */ name) => typeof name === "string"));
  } catch { /* suggestions only help with typing */ }
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} query
 * @param {Context} ctx
 */
export async function show(main, query, ctx) {
  if (!ctx.session.ledger) return put(main, noLedger());
  const list = new Deliveries(main, ctx, query);
  list.form.show(list.filter);
  const noteScroll = () => { list.scroll = scrollY; };
  addEventListener("scroll", noteScroll, { passive: true });
  const unsubscribe = subscribe({ deliveries: (data) => list.live.take(data),
    resumed: () => list.catchUp(), state: (state) => list.form.showCounts(state.rows) });
  suggestEvents(list);
  if (!list.restore()) await list.load();
  return {
    end() {
      removeEventListener("scroll", noteScroll);
      unsubscribe();
      list.leave();
    },
    /** @param {URLSearchParams} now */
    update: (now) => list.refilter(readFilter(now)),
  };
}
