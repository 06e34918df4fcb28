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

/**
 * @param {string} text a byte order mark before it does not count
 * @returns {string | null} the JSON; null: it is none
 */
export function readJson(text) {
  const json = text.replace(/^\ufeff/, "");
  try {
    JSON.parse(json);
    return json;
  } catch {
    return null;
  }
}

/**
 * Lays JSON out a line at a time, so that the beginning of a long one is there at once.
 * @param {string} json that was found to be JSON
 * @returns {Generator<Line>}
 */
export function* layOut(json) {
  const texts = json.matchAll(TOKEN);
  /** @returns {string | undefined} */
  const take = () => texts.next().value?.[0];
  let depth = 0;
  /** @type {Line} */
  let line = { depth, tokens: [] };
  let empty = false; // the token before opened something, and nothing followed yet
  for (let token = take(), next = take(); token !== undefined; token = next, next = take()) {
    if (token === "}" || token === "]") {
      depth -= 1;
      if (!empty) {
        yield line;
        line = { depth, tokens: [] };
      }
    }
    const kind = next === ":" && token[0] === '"' ? "key" : kindOf(token);
    line.tokens.push({ kind, text: token === ":" ? ": " : token });
    const opens = token === "{" || token === "[";
    empty = opens && (next === "}" || next === "]");
    if (opens) depth += 1;
    if (token === "," || (opens && !empty)) {
      yield line;
      line = { depth, tokens: [] };
    }
  }
  yield line;
}

/**
 * @param {Line} line
 * @returns {string} the spaces before it
 */
export function indent(line) {
  return " ".repeat(line.depth * INDENT);
}

/**
 * @param {string} json that was found to be JSON
 * @returns {string} the same, laid out
 */
export function toText(json) {
  return Array.from(layOut(json), (line) =>
    indent(line) + line.tokens.map(({ text }) => text).join("")).join("\n");
}
