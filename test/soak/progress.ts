/** How a soak shows that it goes on: a bar on a terminal, a line a minute elsewhere. */
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { createProgress } from "../../cli/terminal/progress.ts";
import { percentiles } from "./measure/latency.ts";
import type { Ledger } from "./measure/ledger.ts";
import { answers, total } from "./measure/ledger.ts";
import { isolateBytes } from "./measure/memory.ts";
import type { MemoryWatch } from "./measure/memory-watch.ts";
import type { SoakOptions } from "./run.ts";

type Shown = Pick<SoakOptions, "onStep" | "onProgress"> & { stop(): void };

export function showSoak(stream: NodeJS.WriteStream = process.stderr): Shown {
  if (!stream.isTTY) return lines(stream);
  const bar = createProgress(stream);
  return {
    onStep: (step) => bar.update(`prepare: ${step}`, 0, 1),
    onProgress: (stage, seconds, ofSeconds) => {
      bar.update(`${stage}, seconds`, Math.min(Math.round(seconds), ofSeconds), Math.round(ofSeconds));
    },
    stop: () => bar.stop(),
  };
}

function lines(stream: NodeJS.WriteStream): Shown {
  let last = "";
  return {
    onStep: (step) => void stream.write(`prepare: ${step}\n`),
    onProgress: (stage, seconds, _, { ledger, memory }) => {
      const minute = `${stage}, minute ${Math.floor(seconds / 60)}`;
      if (minute === last || seconds < 60) return;
      last = minute;
      stream.write(`${minuteLine(minute, ledger, memory)}\n`);
    },
    stop: () => {},
  };
}

export function minuteLine(minute: string, ledger: Ledger, memory: Pick<MemoryWatch, "samples">): string {
  const sum = total(ledger.tallies);
  const { p50, p99 } = percentiles(ledger.samples.map(({ ms }) => ms));
  const latest = memory.samples.at(-1);
  return [
    `${minute}: ${numberText(answers(sum))} answered, ${sum.wrong} wrong, ${sum.lost} lost`,
    `p50 ${numberText(p50)} ms, p99 ${numberText(p99)} ms`,
    `isolate ${latest ? mebibytesText(isolateBytes(latest)) : "–"} MiB`,
  ].join("; ");
}
