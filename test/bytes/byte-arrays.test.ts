/** Hex, base64 and freed arrays. */
import { expect, test } from "vitest";
import { hexOf, hexToBytes } from "../../src/bytes/byte-arrays.ts";

test("hexToBytes reverses hexOf, and reads upper-case digits, as D1 writes them", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(hexToBytes(hexOf(bytes))).toEqual(bytes);
  expect(hexToBytes(hexOf(bytes).toUpperCase())).toEqual(bytes);
  expect(hexToBytes("")).toEqual(new Uint8Array(0));
});
