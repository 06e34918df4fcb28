// Bytes as people read them: their place, hexadecimal digits, and the printable ASCII among them.

/** @param {number} n @param {number} width */
const hex = (n, width) => n.toString(16).padStart(width, "0");

/** @param {number} byte */
const shown = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·");

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} to
 * @param {number} width bytes in a line
 * @returns {string} a line for each `width` bytes
 */
export function dump(bytes, from, to, width) {
  const lines = [];
  for (let at = from; at < to; at += width) {
    const part = [...bytes.subarray(at, Math.min(at + width, to))];
    const digits = part.map((byte, i) => (i === 8 ? " " : "") + hex(byte, 2)).join(" ");
    const room = width * 3 - 1 + (width > 8 ? 1 : 0);
    lines.push(`${hex(at, 6)}  ${digits.padEnd(room)}  ${part.map(shown).join("")}`);
  }
  return lines.join("\n");
}

/**
 * @param {string} base64
 * @returns {Uint8Array}
 */
export function fromBase64(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
