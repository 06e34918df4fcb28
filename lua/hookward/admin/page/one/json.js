// Lays JSON out for reading, without decoding it: each number keeps its digits, each string its
// escapes, and members their order.

/** @typedef {{ kind: "key" | "string" | "number" | "word" | "mark", text: string }} Token */
/** @typedef {{ depth: number, tokens: Token[] }} Line */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;
const INDENT = 2;

/** @param {string} text @returns {Token["kind"]} */
function kindOf(text) {
  if (text[0] === '"') return "string";
  if (/^[-\d]/.test(text)) return "number";
  return /^[a-z]/.test(text) ? "word" : "mark";
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} text a byte order mark before it is left out
 * @returns {Line[] | null} null: it is not JSON
 */
export function layOut(text) {
  const json = text.replace(/^\ufeff/, "");
  if (!isJson(json)) return null;
  const texts = json.match(TOKEN) ?? [];
  /** @type {Line[]} */
  const lines = [{ depth: 0, tokens: [] }];
  let depth = 0;
  const line = () => lines[lines.length - 1];
  const begin = () => lines.push({ depth, tokens: [] });
  texts.forEach((token, at) => {
    const isKey = token[0] === '"' && texts[at + 1] === ":";
    const closes = token === "}" || token === "]";
    if (closes) {
      depth -= 1;
      if (texts[at - 1] !== "{" && texts[at - 1] !== "[") begin();
    }
    line().tokens.push({ kind: isKey ? "key" : kindOf(token), text: token === ":" ? ": " : token });
    if (token === "{" || token === "[") {
      depth += 1;
      if (texts[at + 1] !== "}" && texts[at + 1] !== "]") begin();
    } else if (token === ",") begin();
  });
  return lines;
}

/**
 * @param {Line} line
 * @returns {string} the spaces before it
 */
export function indent(line) {
  return " ".repeat(line.depth * INDENT);
}

/**
 * @param {Line[]} lines
 * @returns {string}
 */
export function toText(lines) {
  return lines.map((line) => indent(line) + line.tokens.map(({ text }) => text).join("")).join("\n");
}
