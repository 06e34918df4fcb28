// Says why a login was refused: the host answers a refused one with "/login?wrong=CODE".

const texts = {
  token: "That token is not right.",
  link: "That link was used before, or is too old. `hookward dash` makes a new one.",
  busy: "Too many attempts. Wait a few seconds, then try again.",
};

const why = new URLSearchParams(location.search).get("wrong");
if (why !== null) {
  const wrong = /** @type {HTMLElement} */ (document.getElementById("wrong"));
  wrong.textContent = texts[/** @type {keyof typeof texts} */ (why)] ?? texts.token;
  wrong.hidden = false;
}
