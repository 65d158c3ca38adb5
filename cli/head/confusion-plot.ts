/** Draws a confusion matrix: a row for each true class, a column for each predicted class. */
import * as Plot from "@observablehq/plot";
import { drawSheet, ink, titleMark } from "../plot/draw.ts";
import { shareText } from "../plot/format.ts";
import type { Metrics } from "./metrics.ts";

const cellSide = 44;
const [marginTop, marginLeft, marginRight, marginBottom] = [120, 130, 90, 34];
/** Longer class names are cut. */
const maxNameLength = 18;

/**
 * Draws the counts of `metrics` as coloured cells. The diagonal, which holds the correct predictions, has a colour of
 * its own.
 * @returns an SVG document
 */
export function confusionPlot(title: string, classes: readonly string[], metrics: Metrics): string {
  const nameOf = (i: number) => {
    const name = classes[i]!;
    return name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength - 1)}…`;
  };
  const cells = metrics.confusion.flatMap((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted) => ({ count, actual, predicted, total }));
  });
  const { accuracy, correct, count } = metrics;
  const place = { x: "predicted", y: "actual" } as const;
  const note = { fill: ink.faint, fontSize: 12 };
  const tick = { tickSize: 0, fill: ink.text, fontSize: 12, label: null, tickFormat: nameOf };
  const width = marginLeft + classes.length * cellSide + marginRight;
  const chart: Plot.PlotOptions = {
    width,
    height: marginTop + classes.length * cellSide + marginBottom,
    marginTop,
    marginLeft,
    marginRight,
    marginBottom,
    x: { domain: classes.keys(), padding: 0.05 },
    y: { domain: classes.keys(), padding: 0.05 },
    marks: [
      titleMark(title, 16 - marginLeft, -110),
      Plot.text([`right: ${correct} of ${count}, ${shareText(accuracy)}`], {
        ...note,
        ...{ frameAnchor: "top-left", dx: 16 - marginLeft, dy: -86 },
      }),
      Plot.axisX({ ...tick, anchor: "top", tickRotate: -45 }),
      Plot.axisY(tick),
      Plot.cell(cells, {
        ...place,
        rx: 4,
        fill: ({ actual, predicted }) => (actual === predicted ? ink.green : ink.orange),
        fillOpacity: ({ count, total }) => (count === 0 ? 0.04 : 0.15 + (0.75 * count) / total),
        title: (cell) =>
          `${nameOf(cell.actual)} classified as ${nameOf(cell.predicted)}: ${cell.count} of ${cell.total}`,
      }),
      Plot.text(
        cells.filter((cell) => cell.count > 0),
        { ...place, text: "count", fill: ink.text, fontSize: 12 },
      ),
      Plot.text(["rows: true classes; columns: predicted classes"], {
        ...note,
        ...{ frameAnchor: "bottom-left", dx: 16 - marginLeft, dy: 26 },
      }),
    ],
    color: { type: "identity" },
    opacity: { type: "identity" },
  };
  return drawSheet(title, [chart], width);
}
