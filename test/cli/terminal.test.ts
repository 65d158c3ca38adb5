import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { parseCount, parsePort } from "../../cli/terminal/options.ts";
import { bar, describeAgreement, renderPredictions } from "../../cli/terminal/output.ts";
import { createProgress } from "../../cli/terminal/progress.ts";

describe("bars", () => {
  test("are as long as the score, to an eighth of a character, and padded to one width", () => {
    expect(bar(0, 8)).toBe("        ");
    expect(bar(0.5, 8)).toBe("████    ");
    expect(bar(1, 8)).toBe("████████");
    expect(bar(1 / 64, 8)).toBe("▏       ");
    expect(bar(1.5, 8)).toBe("████████");
  });

  test("are aligned in columns, with long labels cut", () => {
    const predictions = [
      { label: "teapot", score: 0.98, index: 8, id: "teapot" },
      { label: "a very long label that nobody would want to read whole", score: 0.02, index: 1, id: "x" },
    ];
    const lines = stripVTControlCharacters(renderPredictions(predictions, 10)).split("\n");
    expect(lines[0]).toMatch(/^ {2}teapot {27}██/);
    expect(lines[0]).toMatch(/ 98\.0%$/);
    expect(lines[1]).toContain("…");
    expect(lines[0]?.length).toBe(lines[1]?.length);
  });
});

test("an agreement says what its figures mean, and which images were held out", () => {
  const agreement = {
    images: 9,
    on: "photographs",
    top1: 1,
    top5: 1,
    mean_kl: 0.0016,
    median_kl: 0,
  } as const;
  const rest = { max_kl: 0, mean_cosine: 0.999, worst_cosine: 0.99, worst_image: "a.jpg" };
  const text = describeAgreement({ ...agreement, ...rest }, ", held out");
  expect(text).toMatch(/^compared on +9 photographs, held out$/m);
  expect(text).toMatch(/^mean KL +1\.60e-3 nats: how far the probabilities differ, 0 if they are equal$/m);
  expect(text).toMatch(/^mean cosine of logits +0\.99900: likeness of the raw outputs, 1 if/m);
});

describe("progress without a terminal", () => {
  test("prints a few plain lines per stage", () => {
    const stream = new PassThrough();
    const progress = createProgress(stream as unknown as NodeJS.WriteStream);
    for (let i = 0; i <= 100; i++) progress.update("push", i, 100);
    progress.stop();
    expect(String(stream.read()).trim().split("\n")).toEqual([
      "push: 0% (0/100)",
      "push: 25% (25/100)",
      "push: 50% (50/100)",
      "push: 75% (75/100)",
      "push: 100% (100/100)",
    ]);
  });
});

describe("options", () => {
  test.each(["0", "65536", "-1", "80.5", "http", "", "1e3"])(
    "refuse port %j and name the valid range",
    (value) => {
      expect(() => parsePort(value)).toThrow("expected an integer from 1 to 65535");
    },
  );

  test("parse numbers", () => {
    expect([parsePort("8787"), parseCount("3")]).toEqual([8787, 3]);
  });
});
