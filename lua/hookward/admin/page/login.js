// Says why a login was refused: the host then shows this page as "/login?why=CODE".

const why = new URLSearchParams(location.search).get("why");

/** @param {string} code */
function explain(code) {
  if (code.startsWith("link_")) {
    return "That link was used before, or is too old. `hookward dash` makes a new one.";
  }
  if (code === "too_many_attempts") return "Too many wrong tokens. Wait a while, then try again.";
  return "That is no token of this host.";
}

if (why !== null) {
  const wrong = /** @type {HTMLElement} */ (document.getElementById("wrong"));
  wrong.textContent = explain(why);
  wrong.hidden = false;
}
