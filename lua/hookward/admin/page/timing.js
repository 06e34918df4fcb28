// When things run: once nothing more comes, and again and again.

/**
 * Calls `fn` once no further call came for `ms` milliseconds.
 * @template {unknown[]} A
 * @param {number} ms
 * @param {(...args: A) => void} fn
 * @returns {((...args: A) => void) & { cancel: () => void }}
 */
export function debounce(ms, fn) {
  /** @type {number | undefined} */
  let timer;
  const call = (/** @type {A} */ ...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}

/**
 * Calls `fn` again and again until the signal is aborted. Each wait begins when a call is done, so
 * a slow host is never asked twice at once.
 * @param {AbortSignal} signal
 * @param {number} first milliseconds until the first call
 * @param {() => Promise<number>} fn resolves to the milliseconds until the next call; it does not
 *   reject
 * @returns {() => Promise<void>} calls `fn` now; the next wait begins after that
 */
export function poll(signal, first, fn) {
  /** @type {number | undefined} */
  let timer;
  let last = 0;
  async function look() {
    clearTimeout(timer);
    const call = ++last;
    const ms = await fn();
    if (call === last && !signal.aborted) timer = setTimeout(look, ms);
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  timer = setTimeout(look, first);
  return look;
}
