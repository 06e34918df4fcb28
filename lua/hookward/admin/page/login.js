// Says why a login was refused: the host then shows this page as "/login?wrong=token".

const REASONS = {
  link: "That link was used before, or is no longer valid. `hookward dash` prints a new one.",
  busy: "Too many wrong tokens. Try again in a second.",
  token: "That token is wrong.",
};

const wrong = new URLSearchParams(location.search).get("wrong");

if (wrong !== null) {
  const place = /** @type {HTMLElement} */ (document.getElementById("wrong"));
  place.textContent = REASONS[/** @type {keyof typeof REASONS} */ (wrong)] ?? REASONS.token;
  place.hidden = false;
}
