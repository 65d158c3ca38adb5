/**
 * JSON from outside. V8 takes up to 16 bytes of heap for each byte of nested arrays, and seconds for an object with
 * hundreds of thousands of keys: so how deep a text nests and how much structure it has is looked at before it is parsed.
 */

/** How much structure a JSON text may have. */
export interface JsonLimits {
  /** Arrays and objects within each other. */
  readonly maxDepth: number;
  /** Brackets, braces, commas and colons outside strings: what the number of values and keys is bounded by. */
  readonly maxStructure: number;
}

/** The text is not JSON, or has more structure than it may. The message says which, as a predicate. */
export class JsonError extends Error {}

/**
 * The value of a JSON text in UTF-8.
 * @throws JsonError
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): unknown {
  checkStructure(bytes, limits);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch (cause) {
    throw new JsonError("is not JSON", { cause });
  }
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * Looks at the bytes only; a text that is not JSON passes, or is refused for its structure.
 * @throws JsonError
 */
export function checkStructure(bytes: Uint8Array, { maxDepth, maxStructure }: JsonLimits): void {
  let [depth, structure] = [0, 0];
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case quote:
        i = endOfString(bytes, i + 1);
        continue;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw new JsonError(`nests more than ${maxDepth} levels deep`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        break;
      default:
        continue;
    }
    if (++structure > maxStructure) {
      throw new JsonError(`has more than ${maxStructure} brackets, braces, commas and colons`);
    }
  }
}

/** Index of the quote that ends the string whose first character is at `start`, or the end of the text. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let end = bytes.indexOf(quote, start); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (end - escapes > start && bytes[end - escapes - 1] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}
