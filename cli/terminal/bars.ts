/** Prints predictions as bars. */
import { styleText } from "node:util";
import type { Prediction } from "../../src/model/scores.ts";
import { shorten } from "./output.ts";

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const maxLabelLength = 32;

/** Draws `fraction` (0 to 1) of `width` characters, to an eighth of a character. */
export function bar(fraction: number, width: number): string {
  const units = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  return ("█".repeat(units >> 3) + eighths[units & 7]).padEnd(width);
}

/** Returns one line per prediction: label, bar, percentage. */
export function renderPredictions(predictions: readonly Prediction[], width = 40): string {
  const labels = predictions.map(({ label }) => shorten(label, maxLabelLength));
  const labelWidth = Math.max(...labels.map((label) => label.length));
  return predictions
    .map(({ score }, i) => {
      const percent = `${(100 * score).toFixed(1)}%`.padStart(6);
      return `  ${labels[i]?.padEnd(labelWidth)} ${styleText("cyan", bar(score, width))} ${percent}`;
    })
    .join("\n");
}
