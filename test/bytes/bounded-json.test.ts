import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkStructure, JsonError, type JsonLimits, parseJson } from "../../src/bytes/bounded-json.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const noLimits: JsonLimits = { maxDepth: 1e9, maxStructure: 1e9 };

/** Counts the structure of a JSON text by parsing it. */
function structureOf(value: unknown): { depth: number; structure: number } {
  if (value === null || typeof value !== "object") return { depth: 0, structure: 0 };
  const parts = Object.values(value).map(structureOf);
  const keys = Array.isArray(value) ? 0 : parts.length;
  return {
    depth: 1 + Math.max(0, ...parts.map(({ depth }) => depth)),
    structure:
      2 + Math.max(0, parts.length - 1) + keys + parts.reduce((sum, { structure }) => sum + structure, 0),
  };
}

describe("JSON from outside", () => {
  test("is parsed like JSON.parse does", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(utf8(text), noLimits)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("is accepted with exactly the allowed structure, and refused with more", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
        const value: unknown = JSON.parse(text);
        const bytes = utf8(JSON.stringify(value, null, indent));
        const { depth, structure } = structureOf(value);
        checkStructure(bytes, { maxDepth: depth, maxStructure: structure });
        if (depth === 0) return;
        const [shallow, little] = [depth - 1, structure - 1];
        expect(() => checkStructure(bytes, { ...noLimits, maxDepth: shallow })).toThrow(JsonError);
        expect(() => checkStructure(bytes, { ...noLimits, maxStructure: little })).toThrow(JsonError);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["brackets", "[".repeat(1000)],
    ["escaped quotes", '\\"'.repeat(1000)],
    ["escaped quotes and brackets", '\\"['.repeat(1000)],
    ["escaped backslashes", "\\\\".repeat(1000)],
    ["keys", "{,:}".repeat(1000)],
  ])("%s in a string do not count as structure", (_, content) => {
    const limits = { maxDepth: 1, maxStructure: 3 };
    const text = `{"inputs":"${content}"}`;
    expect(parseJson(utf8(text), limits)).toEqual(JSON.parse(text));
    expect(() => checkStructure(utf8(`{"inputs":"${content}",}`), limits)).toThrow(/more than 3 brackets/);
  });

  test("is refused for its depth or structure before it is parsed, valid or not", () => {
    const limits = { maxDepth: 8, maxStructure: 64 };
    expect(() => parseJson(utf8("[".repeat(4e6)), limits)).toThrow(/nests more than 8 levels deep/);
    expect(() => parseJson(utf8("[],".repeat(1e6)), limits)).toThrow(/more than 64 brackets/);
    const keys = Array.from({ length: 420_000 }, (_, i) => `"${i}":0`).join();
    expect(() => parseJson(utf8(`{${keys}}`), limits)).toThrow(/more than 64 brackets/);
  });

  test.each(["", "{", '"', '"\\"', '{"a":1}x', "\ud800", "]"])("%j is refused as no JSON", (text) => {
    expect(() => parseJson(utf8(text), noLimits)).toThrow(new JsonError("is not JSON"));
  });

  test("bytes that are not UTF-8 are refused as no JSON", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), noLimits)).toThrow(JsonError);
  });
});
