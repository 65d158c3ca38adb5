/** What a training or an evaluation tells people: text for the terminal. Pure. */
import { shareText } from "../plot/format.ts";
import { table } from "../terminal/output.ts";
import type { Metrics } from "./metrics.ts";

export function accuracyText({ accuracy, interval, correct, count }: Metrics): string {
  const [low, high] = interval;
  return `${shareText(accuracy)} (${correct} of ${count}; 95% interval ${shareText(low)} to ${shareText(high)})`;
}

/** Rows are what the images are, columns what they were taken for. */
export function confusionText(classes: readonly string[], { confusion, recall, precision }: Metrics): string {
  const short = (name: string) => (name.length <= 12 ? name : `${name.slice(0, 11)}…`);
  const head = ["is \\ taken for", ...classes.map(short), "recall", "precision"];
  const rows = confusion.map((row, c) => [
    short(classes[c]!),
    ...row.map((count) => (count === 0 ? "·" : String(count))),
    shareText(recall[c]!),
    precision[c] == null ? "–" : shareText(precision[c]),
  ]);
  return table(
    [head, ...rows],
    head.map((_, column) => column).filter((column) => column > 0),
  );
}
