/** A confusion matrix as a picture: rows are what the images are, columns what they were taken for. Pure. */
import { shareText } from "../plot/format.ts";
import { document, element, place, text } from "../plot/svg.ts";
import type { Metrics } from "./metrics.ts";

const cell = 44;
const labelWidth = 130;
const top = 120;
/** Beyond this many classes the counts do not fit their cells. */
const maxLabelLength = 18;

export function confusionPlot(title: string, classes: readonly string[], metrics: Metrics): string {
  const names = classes.map((name) =>
    name.length <= maxLabelLength ? name : `${name.slice(0, maxLabelLength - 1)}…`,
  );
  const side = classes.length * cell;
  const cells = metrics.confusion.flatMap((row, r) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, c) => {
      const share = total > 0 ? count / total : 0;
      const x = labelWidth + c * cell;
      const y = top + r * cell;
      return element(
        "g",
        {},
        element("title", {}, `${names[r]} taken for ${names[c]}: ${count} of ${total}`),
        // Right ones in one colour, wrong ones in another; how many is told by the number too.
        element("rect", {
          class: r === c ? "fill2" : "fill1",
          x: x + 1,
          y: y + 1,
          width: cell - 2,
          height: cell - 2,
          rx: 4,
          "fill-opacity": place(count === 0 ? 0.04 : 0.15 + 0.75 * share),
        }),
        text(count === 0 ? "" : String(count), {
          x: x + cell / 2,
          y: y + cell / 2 + 4,
          "text-anchor": "middle",
        }),
      );
    });
  });
  const rowNames = names.map((name, r) =>
    text(name, { x: labelWidth - 8, y: top + r * cell + cell / 2 + 4, "text-anchor": "end" }),
  );
  const columnNames = names.map((name, c) => {
    const x = labelWidth + c * cell + cell / 2;
    return text(name, { x, y: top - 8, transform: `rotate(-45 ${x} ${top - 8})` });
  });
  const { accuracy, correct, count } = metrics;
  return document(labelWidth + side + 90, top + side + 34, title, [
    text(title, { class: "title", x: 16, y: 24 }),
    text(`right: ${correct} of ${count}, ${shareText(accuracy)}`, { class: "faint", x: 16, y: 44 }),
    ...columnNames,
    ...rowNames,
    ...cells,
    text("rows: what the images are; columns: what they were taken for", {
      class: "faint",
      x: 16,
      y: top + side + 22,
    }),
  ]);
}
