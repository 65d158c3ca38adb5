import { describe, expect, test } from "vitest";
import { type BlockLabelsOptions, blockLabels } from "../../src/middleware/block-labels.ts";

const request = new Request("http://localhost/");
const decide = (label: string, score: number, options: BlockLabelsOptions) => {
  const others = { label: "jellyfish", score: 0.01, index: 1, id: "n2" };
  return blockLabels(options)([{ label, score, index: 0, id: "n1" }, others], request, new Response());
};

describe("blockLabels", () => {
  test.each([
    ["the label", "teapot", 0.9, "teapot", true],
    ["in any case", "Teapot", 0.9, "TEAPOT ", true],
    ["a synonym", "tench, Tinca tinca", 0.9, "tinca tinca", true],
    ["a whole label with synonyms", "tench, Tinca tinca", 0.9, "tench, Tinca tinca", true],
    ["the id", "teapot", 0.9, "n1", true],
    ["at exactly the bound", "teapot", 0.5, "teapot", true],
    ["below the bound", "teapot", 0.49, "teapot", false],
    ["another label", "ladybug", 0.9, "teapot", false],
    ["a label with a low score", "teapot", 0.9, "jellyfish", false],
    ["a part of a word", "shipyard", 0.9, "teapot", false],
  ])("%s", (_, label, score, blocked, expected) => {
    expect(decide(label, score, { labels: ["zebra", blocked] }) !== undefined).toBe(expected);
  });

  test("a label that is not the best counts if its score is high enough", () => {
    expect(decide("teapot", 0.9, { labels: ["jellyfish"], minScore: 0.01 })).toBeInstanceOf(Response);
  });

  test("answers a problem with the chosen status that caches do not store", async () => {
    const response = (await decide("teapot", 0.9, { labels: ["teapot"], status: 451 })) as Response;
    expect([response.status, response.headers.get("Cache-Control")]).toEqual([451, "no-store"]);
    expect(await response.json()).toMatchObject({ code: "image_blocked", status: 451 });
  });

  test.each([
    { labels: [] },
    { labels: [" "] },
    { labels: ["a"], minScore: Number.NaN },
    { labels: ["a"], minScore: 1.1 },
    { labels: ["a"], status: 200 },
  ])("%j is refused", (options) => {
    expect(() => blockLabels(options)).toThrow(RangeError);
  });
});
