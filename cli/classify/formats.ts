/** How `npm run classify` prints answers. Each format prints an answer when it arrives, except JSON. */
import { styleText } from "node:util";
import { renderPredictions } from "../terminal/output.ts";
import type { Answer } from "./ask.ts";

/** The formats of --format. */
export const formats = ["text", "json", "ndjson", "csv"] as const;

/** Prints answers. */
export interface Printer {
  answer(answer: Answer): void;
  end(): void;
}

const columns = ["file", "status", "rank", "id", "label", "score", "error"];

/** Makes the printer of a format. @param write receives whole lines */
export function printer(format: (typeof formats)[number], write: (text: string) => void): Printer {
  const all: Answer[] = [];
  switch (format) {
    case "json":
      return {
        answer: (answer) => void all.push(answer),
        end: () => write(`${JSON.stringify(all, null, 2)}\n`),
      };
    case "ndjson":
      return { answer: (answer) => write(`${JSON.stringify(answer)}\n`), end() {} };
    case "csv":
      write(csvLine(columns));
      return { answer: (answer) => write(csvRows(answer).map(csvLine).join("")), end() {} };
    case "text":
      return { answer: (answer) => write(`${text(answer)}\n`), end() {} };
  }
}

/** One row per prediction; one with the error if there are none. */
function csvRows({ file, status, body }: Answer): string[][] {
  const start = [file, String(status ?? "")];
  if (!body.predictions) return [[...start, "", "", "", "", body.detail ?? ""]];
  return body.predictions.map(({ id, label, score }, i) => [
    ...start,
    ...[String(i + 1), id, label, String(score), ""],
  ]);
}

/** RFC 4180. */
function csvLine(values: readonly string[]): string {
  const quoted = values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value));
  return `${quoted.join(",")}\r\n`;
}

function text({ file, status, body }: Answer): string {
  const title = styleText("bold", file);
  const { predictions, model, image } = body;
  if (!predictions) {
    const problem = [status, body.detail].filter((part) => part != null).join(" ");
    return `${title}\n${styleText("red", `  ${problem}`)}`;
  }
  const facts = `  ${image?.width}x${image?.height}, ${model?.name} ${model?.version}`;
  return `${title}\n${renderPredictions(predictions)}\n${styleText("dim", facts)}`;
}
