/** What the bench prints, draws and writes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { performanceDocument } from "../../tools/bench/docs/performance.ts";
import { scalingDocument } from "../../tools/bench/docs/scaling.ts";
import { writeDocs } from "../../tools/bench/docs/write-docs.ts";
import { plots } from "../../tools/bench/report/plots.ts";
import { decoderTable, figureTable, headTable, modelTable } from "../../tools/bench/report/tables.ts";
import { terminalReport } from "../../tools/bench/report/terminal.ts";
import { unfairness } from "../../tools/bench/report/unfair.ts";
import { metrics } from "../../tools/bench/subjects.ts";
import { tableMarkdown } from "../../tools/measure/markdown.ts";
import { numberText } from "../../tools/plot/format.ts";
import { binaryTicks, createScale, linearTicks, logTicks } from "../../tools/plot/scale.ts";
import { lineSheet } from "../../tools/plot/sheet.ts";
import { passing, rounds, withSamples } from "./bench-fixture.ts";

describe("numbers", () => {
  test.each([
    [0, "0"],
    [0.0803, "0.0803"],
    [1.25, "1.25"],
    [12.345, "12.3"],
    [100, "100"],
    [154.4, "154"],
    [1234567.8, "1,234,568"],
    [-12.5, "-12.5"],
    [Number.NaN, "–"],
  ])("%d is written %s", (value, text) => {
    expect(numberText(value)).toBe(text);
  });
});

describe("axes", () => {
  test("a linear one starts at 0, ends at or beyond the largest value, and has few marks", () => {
    expect(linearTicks(149)).toEqual([0, 50, 100, 150]);
    expect(linearTicks(0.7)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
    expect(linearTicks(0)).toEqual([0, 1]);
    for (let max = 0.001; max < 1e7; max *= 1.7) {
      const ticks = linearTicks(max);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(max * (1 - 1e-9));
      expect(ticks.length).toBeLessThanOrEqual(8);
    }
  });

  test("a logarithmic one encloses its values", () => {
    expect(logTicks(0.1, 50)).toEqual([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]);
    expect(logTicks(1, 1_000_000)).toEqual([1, 10, 100, 1000, 10_000, 100_000, 1_000_000]);
    expect(logTicks(7, 7)).toEqual([5, 10]);
    expect(binaryTicks(1, 32)).toEqual([1, 2, 4, 8, 16, 32]);
    expect(binaryTicks(3, 3)).toEqual([2, 4]);
  });

  test("values go where they belong", () => {
    const linear = createScale("linear", [100], [0, 200]);
    expect([0, 50, 100].map(linear.at)).toEqual([0, 100, 200]);
    const log = createScale("log", [1, 100], [0, 200]);
    expect(log.at(10)).toBeCloseTo(100, 9);
    const upwards = createScale("linear", [10], [210, 0]);
    expect([upwards.at(0), upwards.at(10)]).toEqual([210, 0]);
    expect(() => createScale("log", [0, 1], [0, 1])).toThrow(RangeError);
  });
});

describe("drawings", () => {
  test("one each, all of them pictures that render, with their values written in", async () => {
    const drawn = plots(passing);
    expect([...drawn.keys()].sort()).toEqual([
      "comparison.svg",
      "concurrency.svg",
      "image-size.svg",
      "input-size.svg",
    ]);
    for (const [name, svg] of drawn) {
      const { format, width } = await sharp(Buffer.from(svg)).metadata();
      expect([name, format, width]).toEqual([name, "svg", 760]);
    }
    const input = drawn.get("input-size.svg")!;
    expect(input).toContain("model input, pixels of a side");
    // The median of 10, 11 and 90.
    expect(input).toMatch(/>11<\/text>/);
    expect(input).toMatch(/>250<\/text>/);
    expect(drawn.get("comparison.svg")).toMatch(/>700<\/text>/);
  });

  test("they read in light and in dark, on a ground of their own", () => {
    for (const svg of plots(passing).values()) {
      expect(svg).toContain("prefers-color-scheme:dark");
      expect(svg).toMatch(/<rect class="ground"/);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  test("what has a meaning in XML is escaped", () => {
    expect(plots(passing).get("image-size.svg")).toContain("baseline &lt;&amp;&gt;");
  });

  test("where two curves are close, the higher one is labelled above and the lower one below", () => {
    const curves = [16, 17].map((y, i) => ({
      name: `c${i}`,
      points: [
        { x: 1, y: 1 },
        { x: 2, y: y * 10 },
      ],
    }));
    const chart = { title: "t", xLabel: "x", yLabel: "y", x: "linear", y: "linear", curves } as const;
    const svg = lineSheet("t", [chart]);
    const heightOf = (value: number) => Number(new RegExp(`y="([\\d.]+)"[^>]*>${value}<`).exec(svg)?.[1]);
    expect(heightOf(170)).toBeLessThan(heightOf(160) - 11);
    expect(svg).toMatch(/class="small fill1"[^>]*>170</);
  });

  test("a larger value stands higher, and no two labels are written over each other", () => {
    const points = Array.from({ length: 30 }, (_, i) => ({ x: i + 1, y: 50 + i }));
    const chart = { title: "t", xLabel: "x", yLabel: "y", x: "linear", y: "linear" } as const;
    const svg = lineSheet("t", [{ ...chart, curves: [{ name: "c", points }] }]);
    const labels = [...svg.matchAll(/<text class="small fill0" x="([\d.]+)" y="([\d.]+)"[^>]*>(\d+)</g)];
    const placed = labels.map(([, x, y, value]) => ({ x: Number(x), y: Number(y), value: Number(value) }));
    expect(placed.length).toBeGreaterThan(10);
    for (const [i, a] of placed.entries()) {
      for (const b of placed.slice(i + 1)) {
        expect(Math.abs(a.x - b.x) >= 12 || Math.abs(a.y - b.y) >= 11, `${a.value} and ${b.value}`).toBe(
          true,
        );
      }
    }
    const marks = [...svg.matchAll(/transform="translate\(([\d.]+) ([\d.]+)\)"/g)].map(([, , y]) =>
      Number(y),
    );
    const heights = marks.slice(-points.length);
    expect(heights).toEqual([...heights].sort((a, b) => b - a));
  });
});

describe("tables", () => {
  test("tells a head's answer beside the plain one, and dashes where it was not measured", () => {
    expect(headTable(passing).rows).toEqual([
      ["cache miss", "126", "120", "1.05"],
      ["cache hit", "–", "–", "–"],
    ]);
  });

  test("a subject that did not run has no numbers, never a zero", () => {
    const row = modelTable(passing).rows.find(([name]) => name === "TensorFlow.js WASM, fp32");
    expect(row?.slice(2)).toEqual(Array(7).fill("–"));
  });

  test("bytes stand as MiB and times as ms, medians of what was measured", () => {
    const [ours] = modelTable(passing).rows;
    expect(ours).toEqual(["edge-resnet", "workerd", "700", "–", "125", "–", "56", "–", "–"]);
    expect(decoderTable(passing).rows[0]).toContain("40");
  });

  test("each figure has its verdict, its value and its bar", () => {
    const missing = withSamples(passing, rounds("ours", metrics.cold, "ms", 900));
    const rows = figureTable(missing).rows;
    expect(rows.map(([verdict]) => verdict).filter((verdict) => verdict === "miss")).toHaveLength(1);
    expect(rows[4]).toEqual([
      "miss",
      expect.stringContaining("Cold first answer"),
      "0.9",
      "0.7",
      "medians of 3",
    ]);
  });

  test("as Markdown their cells stay cells", () => {
    const table = { title: "t", head: ["a", "b"], rows: [["x | y", "1"]], right: [1] };
    expect(tableMarkdown(table)).toBe("| a | b |\n| --- | ---: |\n| x \\| y | 1 |");
  });
});

describe("the report", () => {
  test("names machine, versions and commit, and everything that is unfair", () => {
    const report = terminalReport(passing);
    for (const part of ["A processor", "node 22.0.0", "commit abc", ...unfairness(passing)]) {
      expect(report).toContain(part);
    }
    expect(report).not.toMatch(/NaN|undefined/);
  });

  test("says that a machine was busy or a run quick, and what did not run", () => {
    const machine = { ...passing.machine, loadBefore: 1.5 };
    const failures = [{ what: "tfjs", reason: "no WASM backend here" }];
    const report = terminalReport({ ...passing, machine, mode: "quick", failures });
    expect(report).toMatch(/The machine was busy: 1.5 of its 2 cores/);
    expect(report).toMatch(/A quick run/);
    expect(report).toMatch(/tfjs: no WASM backend here/);
    expect(terminalReport(passing)).not.toMatch(/busy|A quick run|Did not run/);
  });

  test("says that something else ran meanwhile when requests took much longer than their CPU", () => {
    expect(unfairness(passing).join()).not.toContain("Something else ran");
    const slow = withSamples(passing, rounds("ours", metrics.warm("500x375"), "ms", 140));
    expect(unfairness(slow)[0]).toMatch(/^Something else ran meanwhile: .* 100 ms of CPU took 140 ms/);
  });

  test("the documents hold the figures, the drawings and no gaps", () => {
    const performance = performanceDocument(passing);
    for (const [, what = ""] of figureTable(passing).rows) expect(performance).toContain(what);
    for (const name of plots(passing).keys()) expect(performance).toContain(`(plots/${name})`);
    const scaling = scalingDocument(passing, 60);
    expect(scaling).toContain("at most 8.25 images a second");
    expect(scaling).toContain("43,200 reads a month");
    for (const document of [performance, scaling]) expect(document).not.toMatch(/NaN|undefined|\n\n\n/);
  });

  test("they are written where they are told", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-docs-"));
    try {
      expect(await writeDocs(passing, folder)).toHaveLength(6);
      expect(await readFile(path.join(folder, "performance.md"), "utf8")).toBe(performanceDocument(passing));
      expect(await readFile(path.join(folder, "plots", "comparison.svg"), "utf8")).toMatch(/^<svg /);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
