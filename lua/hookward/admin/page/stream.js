// One stream of the host's events (server-sent events), shared by all that listen.
//
// The browser connects again by itself after a break. A stream that it gave up is opened again
// here. A page that nobody sees lets go of its stream after a minute, since a browser has only six
// connections to a host for all its tabs.

/**
 * @typedef {object} Handlers all optional
 * @property {(data: { records: any[], skipped: number }) => void} [deliveries]
 * @property {(data: any) => void} [state] is called at once with the last one, if there is one
 * @property {() => void} [resumed] it was interrupted: events may be missing
 * @property {(state: "open" | "waiting") => void} [link]
 * @property {() => void} [refused] the host refused the stream: the session may have ended
 */

const AGAIN_MS = 3000;
const UNSEEN_MS = 60000;

/** @type {Set<Handlers>} */
const listeners = new Set();
/** @type {EventSource | null} */
let source = null;
let wasOpen = false;
/** @type {"open" | "waiting"} */
let link = "waiting";
/** @type {any} the last state that the host told; null: none yet */
let lastState = null;
/** @type {number | undefined} */
let again;
/** @type {number | undefined} */
let unseen;

/**
 * @param {(handlers: Handlers) => void} fn
 */
function each(fn) {
  for (const handlers of [...listeners]) fn(handlers);
}

/** @param {"open" | "waiting"} state */
function setLink(state) {
  if (state === link) return;
  link = state;
  each((handlers) => handlers.link?.(state));
}

function onOpen() {
  setLink("open");
  if (wasOpen) each((handlers) => handlers.resumed?.());
  wasOpen = true;
}

function onError() {
  setLink("waiting");
  if (source?.readyState !== EventSource.CLOSED) return;
  close();
  again = setTimeout(open, AGAIN_MS);
  each((handlers) => handlers.refused?.());
}

function open() {
  clearTimeout(again);
  if (source || listeners.size === 0) return;
  source = new EventSource("/api/stream");
  source.addEventListener("open", onOpen);
  source.addEventListener("error", onError);
  source.addEventListener("deliveries", (event) => {
    const data = JSON.parse(event.data);
    each((handlers) => handlers.deliveries?.(data));
  });
  source.addEventListener("state", (event) => {
    lastState = JSON.parse(event.data);
    each((handlers) => handlers.state?.(lastState));
  });
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

function onVisibility() {
  clearTimeout(unseen);
  if (document.visibilityState === "visible") open();
  else unseen = setTimeout(close, UNSEEN_MS);
}

document.addEventListener("visibilitychange", onVisibility);

/**
 * Listens to the host's events.
 * @param {Handlers} handlers
 * @returns {() => void} ends it
 */
export function subscribe(handlers) {
  listeners.add(handlers);
  handlers.link?.(link);
  if (lastState) handlers.state?.(lastState);
  open();
  return () => {
    listeners.delete(handlers);
    if (listeners.size === 0) close();
  };
}
