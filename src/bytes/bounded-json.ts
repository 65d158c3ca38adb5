/**
 * Parses JSON of untrusted origin. V8 needs up to 16 bytes of heap per byte of nested arrays, and seconds for an object of
 * hundreds of thousands of keys. So depth and structure are checked before parsing.
 */

/** Limits on the structure of a JSON text. */
export interface JsonLimits {
  /** Levels of nested arrays and objects. */
  readonly maxDepth: number;
  /** Brackets, braces, commas and colons outside strings. Their number bounds that of values and keys. */
  readonly maxStructure: number;
}

/** The text is not JSON or exceeds the limits. The message is a predicate, such as "is not JSON". */
export class JsonError extends Error {}

/**
 * Parses a JSON text in UTF-8.
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
 * Checks the structure of a text by its bytes. A text that is not JSON may pass.
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

/** Returns the index of the quote that ends the string whose first character is at `start`, or the end of the text. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let end = bytes.indexOf(quote, start); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (end - escapes > start && bytes[end - escapes - 1] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}
