/** What commands print: JSON or text, tables, bars and the agreement of a pack with its source. */

import { styleText } from "node:util";
import type { Prediction } from "../../src/model/scores.ts";
import type { Agreement } from "../pack/evaluate.ts";

/** Options of every command that prints a result. */
export interface OutputOptions {
  readonly json?: boolean | undefined;
}

/** The --json option, which every command shares. */
export const jsonOption = [
  "--json",
  "print one JSON document on stdout (with npm: npm run --silent ...)",
] as const;

/** Prints `document` with --json, and `text` otherwise. */
export function printResult(options: OutputOptions, document: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(document, null, 2) : text()}\n`);
}

/** Formats bytes as decimal megabytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Formats bytes as decimal kilobytes. */
export function kilobytes(bytes: number): string {
  return `${(bytes / 1e3).toFixed(1)} kB`;
}

/** Cuts text to `maxLength` characters. */
export function shorten(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** Aligns rows in columns. The first row has the headings. `right` lists the columns to align to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, c) => (right.includes(c) ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Formats an agreement as a table of two columns. @param note on the images */
export function describeAgreement(agreement: Agreement, note = ""): string {
  const { images, on, accuracy, changes } = agreement;
  const rows = [
    ["compared on", `${images} ${on === "synthetic" ? "synthetic pictures" : "photographs"}${note}`],
    ["same first class", percent(agreement.top1)],
    ["first class among five", percent(agreement.top5)],
    [
      "mean KL",
      `${agreement.mean_kl.toExponential(2)} nats: how far the probabilities differ, 0 if they are equal`,
    ],
    [
      "mean cosine of logits",
      `${agreement.mean_cosine.toFixed(5)}: likeness of the raw outputs, 1 if they are proportional`,
    ],
    ["worst cosine", `${agreement.worst_cosine.toFixed(5)} (${agreement.worst_image})`],
  ];
  if (accuracy) {
    rows.push(["top-1 of the source", percent(accuracy.source_top1)]);
    rows.push(["top-1 of the pack", percent(accuracy.pack_top1)]);
    rows.push(["flips", `${accuracy.lost} right to wrong, ${accuracy.won} wrong to right`]);
  }
  if (changes) {
    rows.push(["answers changed by libjpeg's pixels", `${changes.by_libjpeg_pixels} (float32)`]);
    rows.push(["answers changed by the pack", String(changes.by_pack)]);
  }
  return table(rows);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}

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
