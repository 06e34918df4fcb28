// One delivery: what came, what ran, what happens next.
//
// It is loaded again whenever the host tells of it, so a replay, also somebody else's, is seen.

import { ApiError, get, gaveUp } from "../api.js";
import { h, put } from "../dom.js";
import { age, time } from "../format.js";
import { forget, listAddress, lookAt, neighbours } from "../list/left.js";
import { Actions } from "../one/actions.js";
import { bodyPanel } from "../one/body.js";
import { errorPanel } from "../one/error.js";
import { factsPanel, headersPanel } from "../one/facts.js";
import { runsPanel } from "../one/runs.js";
import { moment } from "../parts/moment.js";
import { reveal } from "../parts/reveal.js";
import { badge } from "../parts/state.js";
import { subscribe } from "../stream.js";
import { debounce } from "../timing.js";

/** @typedef {import("../app.js").Context} Context */

export const title = "Delivery";

const AGAIN_MS = 150;

/**
 * What happens next; the host writes UTC, and all other times of the page are local.
 * @param {{ next: string, next_run_at?: number | null }} delivery
 */
function inLocalTime({ next, next_run_at: at }) {
  return at ? next.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, time(at)) : next;
}

/** @param {number} seq */
function pathBar(seq) {
  const { newer, older } = neighbours(seq);
  const beside = (/** @type {number | undefined} */ other, /** @type {string} */ text) =>
    other && h("a", { href: `#/deliveries/${other}` }, text);
  return h("nav", { class: "path", "aria-label": "Delivery" },
    h("a", { href: listAddress() }, "← Deliveries"),
    h("span", { class: "beside" }, beside(newer, "↑ Newer"), beside(older, "↓ Older")));
}

class Delivery {
  /** @param {HTMLElement} main @param {Context} ctx @param {number} seq */
  constructor(main, ctx, seq) {
    this.main = main;
    this.ctx = ctx;
    this.seq = seq;
    /** @type {any} */
    this.shown = null;
    this.actions = new Actions(ctx, { changed: () => this.load(), purged: () => this.purged() });
    this.headline = h("h1");
    this.line = h("p", { class: "headline-facts" });
    this.next = h("p", { class: "next-step" });
    this.error = h("div");
    this.body = h("div");
    this.runs = h("div");
    this.facts = h("div");
    this.headers = h("div");
    put(main, pathBar(seq), h("div", { class: "headline" },
      h("div", null, this.headline, this.line), this.actions.element), this.next,
    h("div", { class: "columns" },
      h("div", { class: "stack" }, this.error, this.body),
      h("div", { class: "stack" }, this.runs, this.facts, this.headers)));
  }

  async load() {
    try {
      this.show(await get(`/api/deliveries/${this.seq}`, { signal: this.ctx.signal }));
    } catch (error) {
      if (gaveUp(error)) return;
      if (error instanceof ApiError && error.status === 404) return this.gone();
      if (!this.shown) throw error;
      this.ctx.fail(error);
    }
  }

  /** @param {any} now */
  show(now) {
    const before = this.shown;
    this.shown = now;
    this.ctx.name(`${now.event || "Delivery"} ${now.id}`);
    put(this.headline, reveal(now.event || "No event"));
    put(this.line, badge(now.state), h("span", null, "job ", h("span", { class: "mono" }, reveal(now.id))),
      h("span", { class: "muted" }, "received ", moment(now.received_at, age(now.received_at))));
    const next = inLocalTime(now);
    put(this.next, next);
    this.actions.show(now);
    put(this.error, errorPanel(now));
    put(this.runs, runsPanel({ ...now, history: now.history ?? [] }));
    put(this.facts, factsPanel(now));
    if (!before || before.body !== now.body || before.body_base64 !== now.body_base64) {
      put(this.body, bodyPanel(now));
      put(this.headers, headersPanel(now.headers ?? []));
    }
    if (before && before.state !== now.state) this.ctx.announce(`It is now ${now.state}. ${next}`);
  }

  /** It is not in the ledger: it was purged, here or elsewhere, or it grew too old. */
  gone() {
    forget(this.seq);
    put(this.main, h("div", { class: "empty" },
      h("h1", null, "This delivery is gone"),
      h("p", null, `The ledger has no row ${this.seq}. It was purged, or it was older than the `
        + "ledger keeps."),
      h("a", { class: "button", href: listAddress() }, "Back to the deliveries")));
  }

  purged() {
    forget(this.seq);
    this.ctx.note("It was removed.");
    this.ctx.go(listAddress());
  }
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} _
 * @param {Context} ctx
 */
export async function show(main, _, ctx) {
  const seq = Number(ctx.path[0]);
  lookAt(seq);
  const delivery = new Delivery(main, ctx, seq);
  const again = debounce(AGAIN_MS, () => delivery.load());
  const unsubscribe = subscribe({ resumed: again, deliveries({ records }) {
    if (records.some((record) => record.row === seq)) again();
  } });
  const close = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog")) return;
    ctx.go(listAddress());
  };
  addEventListener("keydown", close);
  const end = () => {
    removeEventListener("keydown", close);
    again.cancel();
    unsubscribe();
  };
  ctx.signal.addEventListener("abort", end);
  await delivery.load();
  return end;
}
