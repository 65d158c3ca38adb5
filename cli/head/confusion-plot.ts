/** Draws a confusion matrix: a row for each true class, a column for each predicted class. */
import * as Plot from "@observablehq/plot";
import { drawSheet, ink, titleMark } from "../plot/charts.ts";
import { shareText } from "../plot/format.ts";
import { shorten } from "../terminal/output.ts";
import type { Metrics } from "./metrics.ts";

const cellSide = 44;
const margins = { marginTop: 120, marginLeft: 130, marginRight: 90, marginBottom: 34 };
/** Distance of the texts around the matrix from its left side, in pixels. */
const textStart = 16 - margins.marginLeft;
/** Longer class names are cut. */
const maxNameLength = 18;

/**
 * Draws the counts of `metrics` as coloured cells. The diagonal, which holds the correct predictions, has a colour of
 * its own.
 * @returns an SVG document
 */
export function confusionPlot(title: string, classes: readonly string[], metrics: Metrics): string {
  const { accuracy, correct, count, confusion } = metrics;
  const nameOf = (i: number) => shorten(classes[i]!, maxNameLength);
  const cells = confusion.flatMap((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => ({ count, actual, predicted, total }));
  });
  const place = { x: "predicted", y: "actual" } as const;
  const note = (text: string, frameAnchor: "top-left" | "bottom-left", dy: number) =>
    Plot.text([text], { fill: ink.faint, fontSize: 12, frameAnchor, dx: textStart, dy });
  const tick = { tickSize: 0, fill: ink.text, fontSize: 12, label: null, tickFormat: nameOf };
  const side = classes.length * cellSide;
  const width = margins.marginLeft + side + margins.marginRight;
  const chart: Plot.PlotOptions = {
    ...margins,
    width,
    height: margins.marginTop + side + margins.marginBottom,
    x: { domain: classes.keys(), padding: 0.05 },
    y: { domain: classes.keys(), padding: 0.05 },
    marks: [
      titleMark(title, textStart, -110),
      note(`right: ${correct} of ${count}, ${shareText(accuracy)}`, "top-left", -86),
      Plot.axisX({ ...tick, anchor: "top", tickRotate: -45 }),
      Plot.axisY(tick),
      Plot.cell(cells, {
        ...place,
        rx: 4,
        fill: ({ actual, predicted }) => (actual === predicted ? ink.green : ink.orange),
        fillOpacity: ({ count, total }) => (count === 0 ? 0.04 : 0.15 + (0.75 * count) / total),
        title: ({ actual, predicted, count, total }) =>
          `${nameOf(actual)} classified as ${nameOf(predicted)}: ${count} of ${total}`,
      }),
      Plot.text(
        cells.filter((cell) => cell.count > 0),
        { ...place, text: "count", fill: ink.text, fontSize: 12 },
      ),
      note("rows: true classes; columns: predicted classes", "bottom-left", 26),
    ],
    color: { type: "identity" },
    opacity: { type: "identity" },
  };
  return drawSheet(title, [chart], width);
}
