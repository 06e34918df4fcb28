// Hands a body from one view to another, within this tab.

const NAME = "hookward.handed";

/** @param {string} body */
export function hand(body) {
  sessionStorage.setItem(NAME, body);
}

/** @returns {string | null} what was handed over, once */
export function takeHanded() {
  const body = sessionStorage.getItem(NAME);
  sessionStorage.removeItem(NAME);
  return body;
}
