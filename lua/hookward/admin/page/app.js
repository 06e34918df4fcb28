// The shell: asks who is logged in, shows the view that the address names, and tells of the host.
//
// A view is a module views/NAME.js that exports `title` and `show`. The address "#/NAME/REST?QUERY"
// names it. `show` fills the main element and returns what ends the view: a function, or an object
// { end, update } where `update(query)` takes a change of the query without starting anew.

import { get, gaveUp, login, messageOf, post, useToken } from "./api.js";
import { h, put } from "./dom.js";
import { announce, note } from "./parts/notes.js";
import { revealed } from "./parts/reveal.js";
import { subscribe } from "./stream.js";

/**
 * @typedef {object} Session
 * @property {"read" | "write"} role
 * @property {string} csrf
 * @property {boolean} dev the host runs with --dev
 * @property {string} version
 * @property {boolean} ledger rows can be listed
 * @property {string[]} mask events whose bodies are not shown
 * @property {number} started_at
 */

/**
 * @typedef {object} Context what a view gets
 * @property {Session} session
 * @property {string[]} path what follows the view's name in the address
 * @property {AbortSignal} signal is aborted when the view ends: pass it to `get` and `post`
 * @property {(address: string) => void} go shows another address, "#/deliveries?state=dead"
 * @property {(query: URLSearchParams) => void} rewrite changes the address's query, without
 *   starting the view anew
 * @property {(text: string) => void} announce tells those who listen rather than look
 * @property {(text: string, kind?: "ok" | "bad") => void} note tells everybody, for some seconds
 * @property {(error: unknown) => void} fail notes why a request failed, unless the page gave it up
 * @property {(text: string) => void} name sets the title of the window
 */

/** @typedef {(() => void) | { end: () => void, update: (query: URLSearchParams) => void }} Running */

const HOME = "#/deliveries";
const SLOW_MS = 300;
const views = {
  deliveries: () => import("./views/deliveries.js"),
  delivery: () => import("./views/delivery.js"),
  refused: () => import("./views/refused.js"),
  overview: () => import("./views/overview.js"),
  test: () => import("./views/test.js"),
  bulk: () => import("./views/bulk.js"),
};

const main = /** @type {HTMLElement} */ (document.getElementById("view"));
const part = (/** @type {string} */ id) =>
  /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {Session} */
let session;
let shown = "";
/** @type {Running | null} */
let running = null;
/** @type {AbortController | null} */
let ending = null;
let first = true;

/** The address's parts. One delivery, "#/deliveries/SEQ", is a view of its own. */
function parse() {
  const [place, query = ""] = (location.hash || HOME).slice(1).split(/\?(.*)/s);
  const [name = "", ...path] = place.split("/").filter((text) => text !== "");
  const view = name === "deliveries" && path.length > 0 ? "delivery" : name;
  return { view, nav: name, path, query: new URLSearchParams(query) };
}

function end() {
  ending?.abort();
  if (typeof running === "function") running();
  else running?.end();
  running = null;
}

/** @param {string} name */
function markNavigation(name) {
  for (const link of document.querySelectorAll(".top nav a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** @param {string} text */
function nameWindow(text) {
  document.title = `${revealed(text)} · hookward`;
}

/** Moves the focus to the heading of a view that the user went to, unless the view has moved it. */
function focusHeading() {
  if (first || main.contains(document.activeElement)) return;
  const heading = main.querySelector("h1") ?? main;
  heading.setAttribute("tabindex", "-1");
  heading.focus({ preventScroll: true });
}

/** @param {unknown} error */
function noteFailure(error) {
  if (!gaveUp(error)) note(messageOf(error), "bad");
}

/** @param {unknown} error */
function showFailure(error) {
  if (gaveUp(error)) return;
  const text = messageOf(error);
  put(main, h("div", { class: "empty" },
    h("h1", null, "This view can't be shown"),
    h("p", null, text[0].toUpperCase() + text.slice(1)),
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => route(true) }, "Try again"),
      h("a", { class: "button", href: HOME }, "All deliveries"))));
}

/**
 * @param {string} key names this start, so that a later one is noticed
 * @param {ReturnType<typeof parse>} address
 */
async function start(key, { view, path, query }) {
  const load = views[/** @type {keyof typeof views} */ (view)];
  if (!load) throw new Error(`The page has no view "${view}".`);
  const stop = ending = new AbortController();
  const module = await load();
  if (shown !== key) return;
  nameWindow(module.title);
  const now = await module.show(main, query, {
    session, path, signal: stop.signal, announce, note, fail: noteFailure, name: nameWindow,
    go: (/** @type {string} */ hash) => { location.hash = hash; },
    rewrite,
  });
  if (shown === key) running = now ?? null;
  else if (typeof now === "function") now();
  else now?.end();
}

/** @param {URLSearchParams} query */
function rewrite(query) {
  const text = query.toString().replaceAll("%2C", ",");
  const place = location.hash.split("?")[0] || HOME;
  history.replaceState(history.state, "", text ? `${place}?${text}` : place);
}

/** @param {boolean} [anew] start the view even if it is shown already */
async function route(anew = false) {
  const address = parse();
  const key = [address.view, ...address.path].join("/");
  if (key === shown && !anew) {
    if (running && typeof running !== "function") return running.update(address.query);
  }
  end();
  shown = key;
  put(main);
  scrollTo(0, 0);
  markNavigation(address.nav);
  const slow = setTimeout(() => {
    if (main.childElementCount === 0) put(main, h("p", { class: "empty" }, "Loading …"));
  }, SLOW_MS);
  try {
    await start(key, address);
  } catch (error) {
    if (shown === key) showFailure(error);
  }
  clearTimeout(slow);
  if (shown === key) focusHeading();
  first = false;
}

/** @param {"open" | "waiting"} link */
function showLink(link) {
  const element = part("link-state");
  element.dataset.state = link;
  element.textContent = link === "open" ? "Live" : "Connecting";
}

/** @param {{ ready?: boolean, why_not_ready?: string }} state */
function showState(state) {
  const banner = part("banner");
  const unready = state.ready === false;
  if (unready) banner.textContent = `Not ready: ${state.why_not_ready ?? "the host gives no reason"}`;
  banner.hidden = !unready;
}

function showSession() {
  part("version").textContent = `hookward ${session.version}${session.dev ? " · --dev" : ""}`;
  part("role").hidden = session.role === "write";
  part("nav-test").hidden = !session.dev || session.role !== "write";
}

function returnToPlace() {
  const place = sessionStorage.getItem("hookward.return");
  sessionStorage.removeItem("hookward.return");
  if (place && !location.hash) history.replaceState(null, "", place);
}

async function logOut() {
  try {
    await post("/logout");
  } finally {
    login();
  }
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

/** A session that has ended, also since the host was restarted, leads to the login. */
function checkSession() {
  get("/api/session").then((now) => useToken(now.csrf)).catch(() => {});
}

async function run() {
  part("skip").addEventListener("click", skip);
  part("logout").addEventListener("click", logOut);
  session = await get("/api/session");
  useToken(session.csrf);
  showSession();
  returnToPlace();
  subscribe({ link: showLink, state: showState, refused: checkSession });
  addEventListener("hashchange", () => route());
  await route();
}

run().catch(showFailure);
