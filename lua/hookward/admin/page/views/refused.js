// The requests that were not authentic: when, from where, and what was wrong with each.
//
// The host keeps the latest ones in its memory only. Opening one asks for its headers, its body and
// what a diagnosis finds; "#/refused/N" is the address of one that is open.

import { get, gaveUp, messageOf, post } from "../api.js";
import { h, put } from "../dom.js";
import { bytes } from "../format.js";
import { copyButton } from "../parts/copy.js";
import { headerList } from "../parts/headers.js";
import { moment } from "../parts/moment.js";
import { prose } from "../parts/prose.js";
import { reveal } from "../parts/reveal.js";
import { poll } from "../timing.js";

/** @typedef {import("../app.js").Context} Context */

export const title = "Refused";

const PAGE = 50;
const LOOK_MS = 5000;
const REASONS = {
  invalid_signature: "The signature does not fit",
  malformed_signature: "The signature is malformed",
  missing_signature: "There is no signature",
};

// What to do if the request should have passed.
const ADVICE = {
  invalid_signature: "If Accredit sent it, its Signature Key is missing: save it in `keys` "
    + "(`hookward subscribe` does that), then try again below. If the key is there, a proxy has "
    + "changed the body.",
  malformed_signature: "If Accredit sent it, a proxy has merged or cut the header, or your key is not "
    + "the sender's.",
  missing_signature: "Accredit signs each notification. Unless a proxy has removed X-Signature, "
    + "somebody else sent this, and there is nothing to do.",
};

/** @param {string} code */
const reasonOf = (code) => REASONS[/** @type {keyof typeof REASONS} */ (code)]
  ?? code.replaceAll("_", " ");

// ---- one request ----

/** @param {any} request */
function findings(request) {
  if (!request.findings?.length) return h("p", { class: "muted" }, "Nothing was found.");
  return h("ul", { class: "findings" }, request.findings.map((/** @type {string} */ line) =>
    h("li", null, line)));
}

/** @param {any} request */
function verdict(request) {
  return request.key
    ? h("p", { class: "verdict verdict-good" }, "It verifies with the key ",
      h("strong", null, request.key), ", which is in place now. The sender's next delivery will pass.")
    : null;
}

/** @param {any} request */
function body(request) {
  if (request.masked) return h("p", { class: "muted" }, prose(request.why_no_body));
  if (request.body === null || request.body === undefined) {
    return h("p", { class: "muted" }, request.digest
      ? `Its ${bytes(request.body_length)} are too long to be kept. SHA-256: ` : "It has none.",
    request.digest ? h("code", { class: "fingerprint" }, request.digest) : "");
  }
  if (request.body === "") return h("p", { class: "muted" }, "It is empty.");
  return [h("pre", { class: "raw", tabindex: "0" }, reveal(request.body)),
    request.body_is_text
      ? h("div", { class: "buttons" }, copyButton("Copy", request.body, "the body"))
      : h("p", { class: "muted" }, "Bytes that are not UTF-8 are written as \\x.")];
}

/**
 * @param {any} request
 * @param {Context} ctx
 */
function details(request, ctx) {
  const advice = ADVICE[/** @type {keyof typeof ADVICE} */ (request.error)];
  const found = h("div", { "aria-live": "polite" }, verdict(request), findings(request));
  const again = h("button", { type: "button", onclick: tryAgain }, "Try again with today's keys");

  async function tryAgain() {
    again.disabled = true;
    try {
      const now = await post(`/api/refused/${request.number}/try`, {}, { signal: ctx.signal });
      put(found, verdict(now), findings(now));
      ctx.note(now.key ? `It verifies now, with ${now.key}` : "It does not verify with today's keys",
        now.key ? "ok" : "bad");
    } catch (error) {
      ctx.fail(error);
    }
    again.disabled = false;
  }

  return h("div", { class: "refused-details" },
    h("h2", null, "What was found"), found, advice && !request.key ? h("p", null, prose(advice)) : null,
    h("div", { class: "buttons" }, request.error !== "missing_signature" && again),
    h("h2", null, "Headers"), headerList(request.headers),
    h("h2", null, `Body (${bytes(request.body_length)})`), body(request));
}

/** @param {any} request as the list has it @param {Context} ctx @param {boolean} open */
function item(request, ctx, open) {
  const place = h("div", { class: "refused-place" });
  const first = request.findings?.[0];
  const element = h("details", { class: "refused", id: `refused-${request.number}` },
    h("summary", null,
      moment(request.at),
      h("span", { class: "refused-from" }, request.peer ?? "–"),
      h("span", { class: "refused-why" }, h("strong", { class: request.key ? "good" : "wrong" },
        request.key ? "Verifies now" : reasonOf(request.error)),
      request.id ? h("span", { class: "muted" }, " job ", h("code", null, request.id)) : null),
      first && !request.key ? h("span", { class: "refused-first muted" }, first) : null), place);
  let asked = false;

  async function fill() {
    if (!element.open) return;
    history.replaceState(history.state, "", `#/refused/${request.number}`);
    if (asked) return;
    asked = true;
    put(place, h("p", { class: "muted" }, "Loading …"));
    try {
      put(place, details(await get(`/api/refused/${request.number}`, { signal: ctx.signal }), ctx));
    } catch (error) {
      if (gaveUp(error)) return;
      asked = false;
      put(place, h("p", { class: "wrong" }, messageOf(error)));
    }
  }

  element.addEventListener("toggle", fill);
  if (open) element.open = true;
  return element;
}

// ---- the view ----

function nothing() {
  return h("div", { class: "empty" },
    h("p", null, "No request has been refused for its signature since the host started."),
    h("p", { class: "muted" }, "Requests whose signature does not verify are listed here, each with what "
      + "is wrong."));
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} _query
 * @param {Context} ctx
 */
export async function show(main, _query, ctx) {
  const wanted = Number(ctx.path[0]) || 0;
  const list = h("div", { class: "panel refused-list" });
  const older = h("button", { type: "button", hidden: true }, "Show older requests");
  const newer = h("button", { type: "button", class: "primary", hidden: true });
  const place = h("div");
  let newest = 0;
  let oldest = 0;

  /** @param {number} [before] */
  const ask = (before) => get("/api/refused",
    { query: { before, limit: PAGE }, signal: ctx.signal });

  /** @param {any} answer */
  function append(answer) {
    for (const request of answer.requests) {
      list.append(item(request, ctx, request.number === wanted));
      oldest = request.number;
      newest = Math.max(newest, request.number);
    }
    older.hidden = !answer.more;
  }

  async function more() {
    older.disabled = true;
    try {
      const last = list.lastElementChild;
      append(await ask(oldest));
      const next = last?.nextElementSibling?.querySelector("summary");
      if (next instanceof HTMLElement) next.focus();
    } catch (error) {
      ctx.fail(error);
    }
    older.disabled = false;
  }

  async function fill() {
    const answer = await ask();
    newest = oldest = 0;
    newer.hidden = true;
    put(list);
    append(answer);
    put(place, answer.requests.length ? list : nothing());
  }

  /** Sees whether there are new ones; the list stays as it is until the user wants them. */
  async function look() {
    try {
      const answer = await get("/api/refused", { query: { limit: 1 }, signal: ctx.signal });
      const number = answer.requests[0]?.number ?? 0;
      if (number > newest && newest === 0) await fill();
      else if (number > newest) {
        newer.textContent = `Show ${number - newest} new`;
        newer.hidden = false;
      }
    } catch { /* the next look may succeed */ }
    return LOOK_MS;
  }

  older.addEventListener("click", more);
  newer.addEventListener("click", () => fill().catch(ctx.fail));
  await fill();
  put(main, h("div", { class: "stack" },
    h("div", { class: "head" }, h("h1", null, title), h("p", { class: "muted" },
      "Requests that were not authentic, the newest first. No handler saw them. They are kept only "
      + "in the host's memory.")),
    h("div", { class: "buttons" }, newer), place, h("div", { class: "buttons" }, older)));
  document.getElementById(`refused-${wanted}`)?.scrollIntoView({ block: "start" });
  poll(ctx.signal, LOOK_MS, look);
  return () => {};
}
