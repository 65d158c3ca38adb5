/** Shows the progress of a soak: a bar on a terminal, a line per minute elsewhere. */
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { createProgress } from "../../cli/terminal/progress.ts";
import { answers, total } from "./ledger.ts";
import { isolateBytes, percentiles } from "./phase.ts";
import type { ProgressFacts, SoakOptions } from "./run.ts";

/** Shows progress until stop(). */
export function showProgress(
  stream: NodeJS.WriteStream = process.stderr,
): Pick<SoakOptions, "onStep" | "onProgress"> & { stop(): void } {
  const progress = createProgress(stream);
  let last = "";
  return {
    onStep: (step) => progress.update(`prepare: ${step}`, 0, 1),
    onProgress: (stage, seconds, ofSeconds, facts) => {
      if (stream.isTTY) {
        const done = Math.min(Math.round(seconds), ofSeconds);
        return progress.update(`${stage}, seconds`, done, Math.round(ofSeconds));
      }
      const minute = `${stage}, minute ${Math.floor(seconds / 60)}`;
      if (minute === last || seconds < 60) return;
      last = minute;
      stream.write(`${minuteLine(minute, facts)}\n`);
    },
    stop: () => progress.stop(),
  };
}

/** Describes what happened in a phase so far. */
export function minuteLine(minute: string, { ledger, memory }: ProgressFacts): string {
  const sum = total(ledger.tallies);
  const { p50, p99 } = percentiles(ledger.samples.map(({ ms }) => ms));
  const latest = memory.samples.at(-1);
  return [
    `${minute}: ${numberText(answers(sum))} answered, ${sum.wrong} wrong, ${sum.lost} without an answer`,
    `p50 ${numberText(p50)} ms, p99 ${numberText(p99)} ms`,
    `isolate ${mebibytesText(latest ? isolateBytes(latest) : Number.NaN)} MiB`,
  ].join("; ");
}
