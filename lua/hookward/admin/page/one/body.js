// The body of a delivery: laid out if it is JSON, else as text; and its bytes.

import { h, put } from "../dom.js";
import { bytes as inBytes, count } from "../format.js";
import { copy } from "../parts/copy.js";
import { prose } from "../parts/prose.js";
import { reveal } from "../parts/reveal.js";
import { dump, fromBase64 } from "./hex.js";
import { indent, layOut, readJson, toText } from "./json.js";

const LINES = 1000; // of JSON at first, and with each "more"
const TOKEN = 10000; // characters of one string
const TEXT = 65536; // characters of other text at first
const BYTES = 4096; // at first, and with each "more"

/** @param {string} label @param {() => void} onclick */
const more = (label, onclick) =>
  h("button", { type: "button", class: "more", onclick }, label);

/** @param {import("./json.js").Token} token */
function jsonToken({ kind, text }) {
  if (kind === "mark") return text;
  return [h("span", { class: `j-${kind}` }, reveal(text.slice(0, TOKEN))), text.length > TOKEN
    && h("span", { class: "muted" }, ` … ${count(text.length - TOKEN)} more characters; Copy takes all`)];
}

/** @param {import("./json.js").Line} line */
function jsonLine(line) {
  const element = h("div", { class: "line" }, indent(line), line.tokens.map(jsonToken));
  const hang = line.depth * 2 + 2;
  element.style.paddingLeft = `${hang}ch`;
  element.style.textIndent = `${-hang}ch`;
  return element;
}

/** @param {string} json */
function showJson(json) {
  const lines = layOut(json);
  const code = h("div", { class: "code" });
  const rest = more(`Show ${count(LINES)} more lines`, () => {
    for (let n = 0; n < LINES; n++) {
      const { value, done } = lines.next();
      rest.hidden = done ?? false;
      if (done) break;
      code.append(jsonLine(value));
    }
  });
  rest.click();
  return [code, rest];
}

/** @param {string} text */
function showText(text) {
  const code = h("div", { class: "code plain" }, reveal(text.slice(0, TEXT)));
  const rest = more("Show all of it", () => {
    rest.remove();
    put(code, reveal(text));
  });
  return [code, text.length > TEXT && rest];
}

/** @param {Uint8Array} bytes */
function showBytes(bytes) {
  const width = matchMedia("(min-width: 40rem)").matches ? 16 : 8;
  const code = h("pre", { class: "code hex", tabindex: 0, "aria-label": "Bytes of the body" });
  let to = 0;
  const rest = more("Show more bytes", () => {
    const from = to;
    to = Math.min(to + BYTES, bytes.length);
    code.append((from ? "\n" : "") + dump(bytes, from, to, width));
    rest.hidden = to >= bytes.length;
  });
  rest.click();
  return [code, rest];
}

/**
 * @param {{ body?: string | null, body_base64?: string | null, body_bytes?: number | null,
 *   why_no_body?: string | null }} delivery
 * @returns {HTMLElement} a panel
 */
export function bodyPanel(delivery) {
  const { body, body_base64: base64, why_no_body: why } = delivery;
  const heading = h("h2", { id: "body-title" }, "Body ",
    h("span", { class: "muted small" }, inBytes(delivery.body_bytes)));
  const bar = h("div", { class: "buttons" });
  const inside = h("div", { class: "body-inside" });
  const panel = h("section", { class: "panel", "aria-labelledby": "body-title" },
    h("header", null, heading, bar), inside);
  if (typeof body !== "string" && typeof base64 !== "string") {
    put(inside, h("p", { class: "muted" }, "Not shown: ", prose(why ?? "it was not kept")));
    return panel;
  }
  const bytes = typeof base64 === "string" ? fromBase64(base64) : new TextEncoder().encode(body ?? "");
  const text = typeof body === "string" ? body : new TextDecoder().decode(bytes);
  const json = readJson(text);
  const ways = [
    { name: json === null ? "Text" : "JSON",
      show: () => (json === null ? showText(text) : showJson(json)) },
    { name: "Raw bytes", show: () => showBytes(bytes) },
  ];
  const buttons = ways.map(({ name, show }, at) => h("button", { type: "button", onclick: () => {
    put(inside, show());
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === at)));
  } }, name));
  put(bar, h("div", { class: "choices", role: "group", "aria-label": "Show the body as" }, buttons),
    h("button", { type: "button", class: "quiet",
      onclick: () => copy(json === null ? text : toText(json), "the body") }, "Copy"));
  buttons[0].click();
  return panel;
}
