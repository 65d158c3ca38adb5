/** The figures to reach: each has a bar, a measured value and a verdict. */

import type { UnitCosts } from "../cli/cost/prices.ts";
import { numberText } from "../cli/plot/format.ts";
import { MiB } from "./common/report.ts";
import { defaultWorkload, estimateMonth, unitCosts } from "./cost.ts";
import type { Metric } from "./metrics.ts";
import { medianOf, summarise } from "./results.ts";
import type { Results } from "./run.ts";

/** One figure to reach. */
export interface Figure {
  readonly what: string;
  /** How the value is computed. */
  readonly from: string;
  /** The value must be at most this. */
  readonly bar: number;
  readonly unit: "MiB" | "ratio" | "different logits";
  /** NaN when it was not measured. */
  readonly value: number;
  /** Another condition that must hold and does not. */
  readonly objection?: string | undefined;
  /** Explains a miss. */
  readonly ifMissed?: string;
}

/** Compares a figure with its bar. */
export function verdict({ value, bar, objection }: Figure): "pass" | "miss" | "not measured" {
  if (value === undefined || Number.isNaN(value)) return "not measured";
  return value <= bar && objection === undefined ? "pass" : "miss";
}

/** Computes all figures from the results. */
export function figures(results: Results): Figure[] {
  const { samples, swapHeapBytes: swaps, burst, exact, engines } = results;
  const of = (subject: string, metric: Metric) => medianOf(samples, subject, metric);
  const small = of("ours", "warm:500x375");
  const bareRun = of("plain-int8", "run");
  const fallback = "ours-onnxruntime";
  const refused = burst?.statuses.filter((status) => status !== 200) ?? [];
  return [
    {
      what: "WASM memory of the engine, one model loaded",
      from: "memory.buffer.byteLength, as /readyz reports it",
      bar: 30,
      unit: "MiB",
      value: of("ours", "heap:wasm") / MiB,
    },
    {
      what: "The same with ENGINE = onnxruntime",
      from: "the same",
      bar: 56,
      unit: "MiB",
      value: of(fallback, "heap:wasm") / MiB,
    },
    {
      what: "WASM memory of the engine after five hot swaps",
      from: `the largest after ${swaps.length} swaps`,
      bar: 30,
      unit: "MiB",
      value: swaps.length >= 5 ? Math.max(...swaps) / MiB : Number.NaN,
    },
    {
      what: "Isolate in all, eight different 12 and 24 MP photos at once, half of them progressive",
      from: "WASM memory + the peak of usedSize + backingStorageSize",
      bar: 100,
      unit: "MiB",
      value: burst ? (burst.ortHeapBytes + burst.peakJsBytes) / MiB : Number.NaN,
      objection: refused[0]
        ? `${refused.length} of ${burst?.statuses.length} were answered ${refused}`
        : undefined,
    },
    {
      what: "Forward pass over onnxruntime-web's, same int8 graph in one session",
      from: "the stage of a request over the plain Worker's clock around session.run",
      bar: 0.55,
      unit: "ratio",
      value: of("ours", "stage:run") / bareRun,
    },
    {
      what: "Warm 500x375 JPEG end to end, over the bare run of the same int8 graph in one session of ONNX Runtime",
      from: `caller's clock over the plain Worker's around session.run; by our Worker's own clock ${numberText(of("ours", "stage:total") / bareRun)}`,
      bar: 0.7,
      unit: "ratio",
      value: small / bareRun,
      ifMissed: "Beside the forward pass, the caller's clock includes HTTP, wrangler's proxy and decoding.",
    },
    {
      what: "The same with ENGINE = onnxruntime",
      from: `by our Worker's own clock ${numberText(of(fallback, "stage:total") / bareRun)}`,
      bar: 1.25,
      unit: "ratio",
      value: of(fallback, "warm:500x375") / bareRun,
      ifMissed:
        "Beside the forward pass, the caller's clock includes HTTP, wrangler's proxy and decoding. The plain Worker's default session options also make its forward pass a few percent faster than ours, which are chosen for the smaller heap. In Node, switching on graph optimisation, arena and memory pattern, one by one and together, gave between nothing and 4%.",
    },
    {
      what: "Cold first answer in a fresh workerd, over the same graph as one file loaded plainly",
      from: `medians of ${summarise(samples, "ours", "cold")?.rounds ?? 0}`,
      bar: 0.35,
      unit: "ratio",
      value: of("ours", "cold") / of("plain-int8", "cold"),
      ifMissed:
        "Most of it is reading and hashing the shards from R2, which is a local file here, and starting the isolate's code.",
    },
    {
      what: "The same with ENGINE = onnxruntime",
      from: `medians of ${summarise(samples, fallback, "cold")?.rounds ?? 0}`,
      bar: 0.7,
      unit: "ratio",
      value: of(fallback, "cold") / of("plain-int8", "cold"),
      ifMissed:
        "Most of it is the first forward pass, in WebAssembly that V8 has not optimised yet. The first shard runs on zeros while the others load, so that V8 starts to optimise early, on another thread. It gains less where that thread has no core of its own. Reads overlap sessions, and ONNX Runtime starts while the first shard is read.",
    },
    {
      what: "12 MP baseline JPEG to tensor, over jpeg-js decoding it",
      from: "both in Node, jpeg-js without resizing",
      bar: 0.08,
      unit: "ratio",
      value: of("decode-ours", "tensor:12mp") / of("decode-jpeg-js", "decode:12mp"),
      ifMissed: "All of the entropy-coded data must be read, even where only the DC coefficients are kept.",
    },
    {
      what: "Cache hit over miss",
      from: "500x375, caller's clock",
      bar: 0.1,
      unit: "ratio",
      value: of("ours", "hit") / small,
      ifMissed: `HTTP and wrangler's proxy take most of a hit, and a part of a miss. Without the time of a request that does nothing (/healthz), the ratio is ${numberText((of("ours", "hit") - of("ours", "floor")) / (small - of("ours", "floor")))}.`,
    },
    {
      what: "Price of a million images by the cost table, over that with ENGINE = onnxruntime",
      from: "docs/scaling.md, the default workload",
      bar: 0.65,
      unit: "ratio",
      value: priceRatio(results),
    },
    {
      what: "Logits and features of the SIMD engine against ONNX Runtime, same shards",
      from: `${engines?.compared ?? 0} values of ${engines?.networks.join(", ")} compared bit for bit`,
      bar: 0,
      unit: "different logits",
      value: engines?.different ?? Number.NaN,
    },
    {
      what: "Logits of the shards against the same graph in one piece",
      from: `${exact?.compared ?? 0} values compared bit for bit`,
      bar: 0,
      unit: "different logits",
      value: exact?.different ?? Number.NaN,
    },
  ];
}

function priceRatio(results: Results): number {
  const [ours, fallback] = [unitCosts(results), unitCosts(results, "500x375", "ours-onnxruntime")];
  if (!ours || !fallback) return Number.NaN;
  const price = (costs: UnitCosts) => estimateMonth(defaultWorkload, costs).dollarsPerMillionImages;
  return price(ours) / price(fallback);
}
