// Sends a test: a notification of the developer's own, signed with the development key.
//
// It goes to the host's own listener, as a sender's would: it is verified, runs and is recorded. An
// edited body is a new notification, so each test has a new job id unless the user names one.

import { get, gaveUp, messageOf, post } from "../api.js";
import { h, put } from "../dom.js";
import { duration } from "../format.js";
import { takeHanded } from "../parts/handed.js";

/** @typedef {import("../app.js").Context} Context */

export const title = "Send a test";

const ROWS = 11;

/**
 * Writes JSON over several lines, if that changes nothing but white space.
 * @param {string} text
 */
function spread(text) {
  try {
    const value = JSON.parse(text);
    return JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

/** @param {string} text */
function problem(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return "The body is not a JSON object: the host will refuse it.";
    }
    return typeof value.Event === "string" ? ""
      : "The body has no Event, or its Event is not a text: the host will refuse it.";
  } catch (error) {
    return `This is not JSON: ${/** @type {Error} */ (error).message}. The host will refuse it.`;
  }
}

/** @param {any} outcome */
function outcomeOf(outcome) {
  if (outcome.failure) {
    return [h("p", { class: "verdict verdict-bad" }, h("strong", null, "No answer: "),
      outcome.failure)];
  }
  const good = outcome.status === 200;
  /** @type {any} */ let said = null;
  try { said = JSON.parse(outcome.answer); } catch { /* it is shown as it is */ }
  return [
    h("p", { class: `verdict ${good ? "verdict-good" : "verdict-bad"}` },
      h("strong", null, String(outcome.status)), good ? " The notification was accepted"
        : ` ${said?.error ?? "refused"}`, ` after ${duration(outcome.ms)}.`),
    said?.message ? h("p", null, said.message) : null,
    !said && outcome.answer ? h("pre", { class: "raw", tabindex: "0" }, outcome.answer) : null,
  ];
}

/**
 * @param {HTMLElement} main
 * @param {URLSearchParams} query `event`: the one to begin with
 * @param {Context} ctx
 */
export async function show(main, query, ctx) {
  const about = await get("/api/test", { signal: ctx.signal });
  if (!about.available) {
    put(main, h("div", { class: "empty" }, h("h1", null, title), h("p", null, about.why)));
    return () => {};
  }
  const events = about.events;
  const choice = h("select", { id: "test-event" }, events.map((/** @type {any} */ one) =>
    h("option", { value: one.name }, one.name)));
  const body = h("textarea", { id: "test-body", rows: ROWS, spellcheck: "false",
    autocapitalize: "off", autocomplete: "off", "aria-describedby": "test-problem" });
  const wrong = h("p", { id: "test-problem", class: "wrong small", "aria-live": "polite" });
  const id = h("input", { id: "test-id", autocomplete: "off", maxlength: "128",
    placeholder: "a new one" });
  const attempt = h("input", { id: "test-attempt", type: "number", min: "0", max: "1000",
    value: "0", required: true });
  const send = h("button", { type: "submit", class: "primary" }, "Sign and send");
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  let sample = "";

  function check() {
    wrong.textContent = problem(body.value);
  }

  function fill() {
    const one = events.find((/** @type {any} */ event) => event.name === choice.value);
    if (!one) return;
    sample = spread(one.sample);
    body.value = sample;
    check();
  }

  /** @param {string} text a body from elsewhere; its event may be none of the list */
  function chooseEventOf(text) {
    let name = "";
    try { name = JSON.parse(text).Event; } catch { /* it names none */ }
    const known = events.some((/** @type {any} */ one) => one.name === name);
    choice.value = known ? name : "";
  }

  /** @param {Event} event */
  async function deliver(event) {
    event.preventDefault();
    send.disabled = true;
    put(answer, h("p", { class: "muted" }, "Sending …"));
    try {
      const outcome = await post("/api/test", { body: body.value, job_id: id.value.trim() || null,
        attempt: Number(attempt.value) }, { signal: ctx.signal });
      put(answer, h("h2", null, "Answer"), outcomeOf(outcome), h("p", null,
        ctx.session.ledger ? h("a", { href: `#/deliveries?id=${encodeURIComponent(outcome.job_id)}` },
          `Job ${outcome.job_id}`) : `Job ${outcome.job_id}`));
    } catch (error) {
      if (gaveUp(error)) return;
      put(answer, h("h2", null, "It was not sent"),
        h("p", { class: "verdict verdict-bad" }, messageOf(error)));
    }
    send.disabled = false;
  }

  const handed = takeHanded();
  const first = query.get("event");
  if (first && events.some((/** @type {any} */ one) => one.name === first)) choice.value = first;
  fill();
  if (handed !== null) {
    body.value = handed;
    chooseEventOf(handed);
  }
  check();
  choice.addEventListener("change", fill);
  body.addEventListener("input", check);
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send.form?.requestSubmit();
  });

  put(main, h("div", { class: "narrow stack" }, h("div", { class: "head" }, h("h1", null, title)),
    h("p", { class: "muted" }, "The body is signed with ", h("code", null, about.key),
      " and delivered to ", h("code", null, about.to), ", as a sender would do it: a handler runs, and "
      + "the ledger records it."),
    h("form", { class: "panel inside stack", onsubmit: deliver },
      h("div", { class: "field" }, h("label", { for: "test-event" }, "Event"), choice),
      h("div", { class: "field" }, h("label", { for: "test-body" }, "Body"), body, wrong),
      h("div", { class: "fields" },
        h("div", { class: "field" }, h("label", { for: "test-id" }, "Job id"), id),
        h("div", { class: "field" }, h("label", { for: "test-attempt" }, "Attempt"), attempt)),
      h("div", { class: "buttons" }, send,
        h("button", { type: "button", onclick: fill }, "Restore the sample"),
        h("span", { class: "muted small keys-hint" }, "Ctrl+Enter sends"))),
    answer));
  return () => {};
}
