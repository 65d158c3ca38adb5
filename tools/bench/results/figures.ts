/** The ratios that the design promises, each with its bar, what was measured, and whether it holds. Pure. */
import { numberText } from "../../plot/format.ts";
import { metrics } from "../subjects.ts";
import type { Results } from "./results.ts";
import { summarise } from "./samples.ts";

const MiB = 2 ** 20;

export interface Figure {
  readonly what: string;
  /** What is known of a miss, and what was tried. */
  readonly ifMissed?: string;
  /** How the value is made. */
  readonly from: string;
  /** The value is to be at most this. */
  readonly bar: number;
  readonly unit: "MiB" | "ratio" | "different logits";
  /** Undefined when it was not measured. */
  readonly value: number | undefined;
  /** Something else that must hold, and does not. */
  readonly objection?: string;
}

export type Verdict = "pass" | "miss" | "not measured";

export function verdict({ value, bar, objection }: Figure): Verdict {
  if (value === undefined || Number.isNaN(value)) return "not measured";
  return value <= bar && objection === undefined ? "pass" : "miss";
}

export function figures(results: Results): Figure[] {
  const of = (subject: string, metric: string) => summarise(results.samples, subject, metric);
  const mebibytes = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / MiB);
  const cold = of("ours", metrics.cold);
  const small = metrics.warm("500x375");
  const bareRun = of("plain-int8", metrics.run)?.median;
  const ownRatio = ratio(of("ours", metrics.stage("total"))?.median, bareRun);
  const swaps = results.swapHeapBytes;
  return [
    {
      what: "WASM heap of ORT, one model loaded",
      from: "memory.buffer.byteLength, as /readyz tells it",
      bar: 56,
      unit: "MiB",
      value: mebibytes(of("ours", metrics.wasmHeap)?.median),
    },
    {
      what: "WASM heap of ORT after five hot swaps",
      from: `the largest after ${swaps.length} swaps`,
      bar: 64,
      unit: "MiB",
      value: swaps.length >= 5 ? mebibytes(Math.max(...swaps)) : undefined,
    },
    burstFigure(results),
    {
      what: "Warm 500x375 JPEG end to end, over the bare run of the same int8 graph in one session",
      from: `caller's clock over the plain Worker's around session.run; by our Worker's own clock ${numberText(ownRatio ?? Number.NaN)}`,
      bar: 1.25,
      ifMissed:
        "The caller's clock has HTTP, wrangler's proxy and decoding in it beside the forward pass. The plain Worker's default session options also make its forward pass a few percent faster than ours, which are chosen for the smaller heap; switching graph optimisation, arena and memory pattern on, one by one and together, gave between nothing and 4% in Node.",
      unit: "ratio",
      value: ratio(of("ours", small)?.median, bareRun),
    },
    {
      what: "Cold first answer in a fresh workerd, over the same graph as one file loaded plainly",
      from: `medians of ${cold?.rounds ?? 0}`,
      bar: 0.7,
      ifMissed:
        "Most of it is the first forward pass, in WebAssembly that V8 has not optimised yet. The first shard runs on zeros while the others load, so that V8 begins with it early, on another thread: where that thread has no core of its own, it gains less. Reads overlap sessions, and ONNX Runtime starts while the first shard is read.",
      unit: "ratio",
      value: ratio(cold?.median, of("plain-int8", metrics.cold)?.median),
    },
    {
      what: "12 MP baseline JPEG to tensor, over jpeg-js decoding it",
      from: "both in Node, jpeg-js without resizing",
      bar: 0.08,
      ifMissed:
        "All of the entropy-coded data must be read even where only the DC coefficients are kept. WASM at 1/8 was tried and is no faster.",
      unit: "ratio",
      value: ratio(
        of("decode-ours", metrics.tensor("12mp"))?.median,
        of("decode-jpeg-js", metrics.decode("12mp"))?.median,
      ),
    },
    {
      what: "Cache hit over miss",
      from: "500x375, caller's clock",
      bar: 0.1,
      unit: "ratio",
      value: ratio(of("ours", metrics.hit)?.median, of("ours", small)?.median),
    },
    {
      what: "Logits of the shards against the same graph in one piece",
      from: `${results.exact?.compared ?? 0} values compared bit for bit`,
      bar: 0,
      unit: "different logits",
      value: results.exact?.different,
    },
  ];
}

function burstFigure({ burst }: Results): Figure {
  const figure = {
    what: "Isolate in all, eight different 12 and 24 MP photos at once, half of them progressive",
    from: "ORT's heap + the largest decoder memory + the peak of usedSize + backingStorageSize",
    bar: 100,
    unit: "MiB",
  } as const;
  if (!burst) return { ...figure, value: undefined };
  const value = (burst.ortHeapBytes + burst.peakJsBytes) / MiB;
  const refused = burst.statuses.filter((status) => status !== 200);
  if (refused.length === 0) return { ...figure, value };
  return {
    ...figure,
    value,
    objection: `${refused.length} of ${burst.statuses.length} were answered ${refused}`,
  };
}

function ratio(value: number | undefined, over: number | undefined): number | undefined {
  return value === undefined || over === undefined ? undefined : value / over;
}
