// Talks to the host: JSON over the same origin, and nothing else.

/** What went wrong with a request. `code` is the API's, or "unreachable". */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP's; 0 if there was no answer
   * @param {string} code
   * @param {string} message one line
   */
  constructor(status, code, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

let csrf = "";

/**
 * Sets the token that changes must carry.
 * @param {string} token of /api/session
 */
export function useToken(token) {
  csrf = token;
}

/** Goes to the login, and remembers where the user was. */
export function login() {
  sessionStorage.setItem("hookward.return", location.hash);
  location.assign("/login");
}

/**
 * @param {Response} response
 * @returns {Promise<any>}
 */
async function read(response) {
  const text = await response.text();
  /** @type {any} */
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    throw new ApiError(response.status, "malformed_answer",
      `The host's answer is not JSON (status ${response.status}).`);
  }
  if (response.ok) return value;
  if (response.status === 401) login();
  throw new ApiError(response.status, value?.error ?? "failed",
    value?.message ?? `The host answered with status ${response.status}.`);
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<any>}
 */
async function ask(path, options) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The host does not answer. Is it running?");
  }
  return read(response);
}

/**
 * @param {string} path
 * @param {{ query?: Record<string, unknown>, signal?: AbortSignal }} [options] values of `query`
 *   that are null, undefined or "" are left out
 * @returns {Promise<any>} the answer's JSON
 * @throws {ApiError}
 */
export function get(path, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return ask(text ? `${path}?${text}` : path, { signal: options.signal });
}

/**
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @param {{ signal?: AbortSignal }} [options]
 * @returns {Promise<any>} the answer's JSON
 * @throws {ApiError}
 */
export function post(path, body = {}, options = {}) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
    signal: options.signal,
  });
}

/**
 * @param {unknown} error
 * @returns {string} one line
 */
export function messageOf(error) {
  return (error instanceof Error && error.message) || String(error);
}

/**
 * @param {unknown} error
 * @returns {boolean} the request was given up by this page itself
 */
export function gaveUp(error) {
  return error instanceof Error && error.name === "AbortError";
}
