/** What the bench prints, draws and writes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { tableMarkdown } from "../../bench/common/report.ts";
import {
  performanceDocument,
  plots,
  scalingDocument,
  terminalReport,
  unfairness,
  writeDocs,
} from "../../bench/report/documents.ts";
import { decoderTable, figureTable, headTable, modelTable } from "../../bench/report/tables.ts";
import { type LineChart, lineSheet, logTicks } from "../../cli/plot/charts.ts";
import { numberText } from "../../cli/plot/format.ts";
import { passing, rounds, withSamples } from "./bench-fixture.ts";

describe("numbers", () => {
  test.each([
    [0, "0"],
    [0.0803, "0.0803"],
    [6.17e-18, "6.17e-18"],
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

const chartOf = (curves: LineChart["curves"], kinds: Partial<LineChart> = {}) =>
  lineSheet("t", [{ title: "t", xLabel: "x", yLabel: "y", x: "linear", y: "linear", curves, ...kinds }]);

/** The values that are written into a drawing, with their places in pixels, in the order of the document. */
function placedValues(svg: string): { value: number; fill: string; x: number; y: number }[] {
  const shift = (text: string | undefined) =>
    (/translate\((-?[\d.]+),(-?[\d.]+)\)/.exec(text ?? "") ?? [0, 0, 0]).slice(1).map(Number);
  return [...svg.matchAll(/<g([^>]*aria-label="text"[^>]*)>(.*?)<\/g>/g)].flatMap(
    ([, group = "", texts = ""]) =>
      [...texts.matchAll(/<text transform="([^"]*)"[^>]*>([\d,.]+)</g)].map(([, place, text = ""]) => {
        const [[dx = 0, dy = 0], [x = 0, y = 0]] = [shift(group), shift(place)];
        const fill = /fill="(#\w+)"/.exec(group)?.[1] ?? "";
        return { value: Number(text.replaceAll(",", "")), fill, x: x + dx, y: y + dy };
      }),
  );
}

describe("axes", () => {
  test("a logarithmic one encloses its values and takes none of 0", () => {
    expect(logTicks("log", 0.1, 50)).toEqual([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]);
    expect(logTicks("log", 7, 7)).toEqual([5, 10]);
    expect(logTicks("log2", 1, 32)).toEqual([1, 2, 4, 8, 16, 32]);
    expect(logTicks("log2", 3, 3)).toEqual([2, 4]);
    expect(() => logTicks("log", 0, 1)).toThrow(RangeError);
  });

  test("a linear one starts at 0", () => {
    const svg = chartOf([{ name: "c", points: [50, 100].map((y) => ({ x: y, y })) }]);
    const [half, whole] = placedValues(svg);
    const zero = 2 * half!.y - whole!.y;
    const ticks = [...svg.matchAll(/<text transform="translate\(64,([\d.]+)\)"[^>]*>0</g)].map(([, y]) =>
      Number(y),
    );
    // A label stands 11 pixels over its point.
    expect(ticks[0]! - zero).toBeCloseTo(11, 6);
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
    const labels = placedValues(chartOf(curves));
    const [lower, higher] = [160, 170].map((value) => labels.find((label) => label.value === value)!);
    expect(higher!.y).toBeLessThan(lower!.y - 11);
    expect(higher!.fill).not.toBe(lower!.fill);
  });

  test("a larger value stands higher, and no two labels are written over each other", () => {
    const points = Array.from({ length: 30 }, (_, i) => ({ x: i + 1, y: 50 + i }));
    const placed = placedValues(chartOf([{ name: "c", points }]));
    expect(placed.length).toBeGreaterThan(10);
    for (const [i, a] of placed.entries()) {
      for (const b of placed.slice(i + 1)) {
        expect(b.y, `${a.value} and ${b.value}`).toBeLessThan(a.y);
        expect(Math.abs(a.x - b.x) >= 12 || Math.abs(a.y - b.y) >= 11, `${a.value} and ${b.value}`).toBe(
          true,
        );
      }
    }
  });

  test("a dense curve has its highest point labelled alone", () => {
    const points = [3, 9, 4].map((y, x) => ({ x, y }));
    const placed = placedValues(chartOf([{ name: "c", points }], { dense: true }));
    expect(placed.map(({ value }) => value)).toEqual([9]);
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
    expect(ours).toEqual(["edge-resnet", "workerd", "350", "55", "70", "–", "30", "–", "–"]);
    expect(decoderTable(passing).rows[0]).toContain("40");
  });

  test("each figure has its verdict, its value and its bar", () => {
    const missing = withSamples(passing, rounds("ours", "cold", 900));
    const rows = figureTable(missing).rows;
    expect(rows.map(([verdict]) => verdict).filter((verdict) => verdict === "miss")).toHaveLength(1);
    expect(rows.find(([, what]) => what?.startsWith("Cold"))).toEqual([
      "miss",
      expect.stringContaining("Cold first answer"),
      "0.9",
      "0.35",
      "medians of 3",
    ]);
  });

  test("as Markdown their cells stay cells", () => {
    const table = { title: "t", head: ["a", "b"], rows: [["x | y", "1"]], note: "" };
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
    expect(report).toMatch(/The machine was busy: other programs used 1.5 of its 2 cores/);
    expect(report).toMatch(/A quick run/);
    expect(report).toMatch(/tfjs: no WASM backend here/);
    expect(terminalReport(passing)).not.toMatch(/busy|A quick run|Did not run/);
  });

  test("says that something else ran meanwhile when requests took much longer than their CPU", () => {
    expect(unfairness(passing).join()).not.toContain("Something else ran");
    const slow = withSamples(passing, rounds("ours", "warm:500x375", 140));
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
