// Says why a login was refused: the host then shows this page as "/login?wrong=token".

const REASONS = {
  link: "That link was used before, or is too old. `hookward dash` makes a new one.",
  busy: "Too many wrong tokens. Wait a while, then try again.",
  token: "That is no token of this host.",
};

const wrong = new URLSearchParams(location.search).get("wrong");

if (wrong !== null) {
  const place = /** @type {HTMLElement} */ (document.getElementById("wrong"));
  place.textContent = REASONS[/** @type {keyof typeof REASONS} */ (wrong)] ?? REASONS.token;
  place.hidden = false;
}
