/** Results of a run that never was: every figure just within its bar, so that a test can push one over. */
import type { Results } from "../../bench/results/results.ts";
import type { Sample, Unit } from "../../bench/results/samples.ts";
import { metrics } from "../../bench/subjects.ts";

const MiB = 2 ** 20;

/** The same values in each of three rounds, the middle value being `median`. */
export function rounds(subject: string, metric: string, unit: Unit, median: number): Sample[] {
  return [0, 1, 2].map((round) => ({
    subject,
    metric,
    unit,
    round,
    values: [median * 0.9, median, median * 3],
  }));
}

export const passing: Results = {
  format: 1,
  mode: "full",
  startedAt: "2026-11-24T06:30:00.000Z",
  seconds: 600,
  machine: {
    cpu: "A processor",
    cores: 2,
    memoryBytes: 8 * 1024 * MiB,
    system: "Linux 6 x64",
    loadBefore: 0.1,
    versions: { node: "22.0.0" },
    commit: "abc",
  },
  pictures: [{ name: "500x375", width: 500, height: 375, progressive: false, bytes: 53_000 }],
  pack: { name: "resnet34-224", bytes: 22e6, shards: 5 },
  samples: [
    ...rounds("ours", metrics.wasmHeap, "bytes", 56 * MiB),
    ...rounds("ours", metrics.warm("500x375"), "ms", 125),
    ...rounds("ours", metrics.cold, "ms", 700),
    ...rounds("ours", metrics.hit, "ms", 12),
    ...rounds("ours", metrics.head("miss", "head"), "ms", 126),
    ...rounds("ours", metrics.head("miss", "plain"), "ms", 120),
    ...rounds("ours", metrics.warmCpu("500x375"), "ms", 100),
    ...rounds("ours", metrics.hitCpu, "ms", 2),
    ...rounds("ours", metrics.coldCpu, "ms", 900),
    ...rounds("ours", metrics.r2Reads, "count", 8),
    ...rounds("plain-int8", metrics.run, "ms", 100),
    ...rounds("plain-int8", metrics.cold, "ms", 1000),
    ...rounds("decode-ours", metrics.tensor("12mp"), "ms", 40),
    ...rounds("decode-jpeg-js", metrics.decode("12mp"), "ms", 500),
  ],
  burst: {
    photos: [{ name: "ship, 12 MP", bytes: 3e6 }],
    statuses: Array(8).fill(200),
    seconds: 3,
    ortHeapBytes: 50 * MiB,
    peakJsBytes: 50 * MiB,
    peakProcessBytes: 300 * MiB,
  },
  swapHeapBytes: [60 * MiB, 64 * MiB, 64 * MiB, 64 * MiB, 64 * MiB],
  exact: { compared: 4000, different: 0 },
  decodeAgreement: { ours: 1.5, "jpeg-js": 0 },
  growth: {
    "input-size": [
      {
        name: "forward pass",
        unit: "ms",
        points: [
          { x: 64, values: [10, 11, 90] },
          { x: 320, values: [250] },
        ],
      },
      {
        name: "WASM heap of ORT",
        unit: "MiB",
        points: [
          { x: 64, values: [45] },
          { x: 320, values: [60] },
        ],
      },
    ],
    "image-size": [
      {
        name: "baseline <&>",
        unit: "ms",
        points: [
          { x: 0.1, values: [100] },
          { x: 50, values: [400] },
        ],
      },
    ],
    concurrency: [
      {
        name: "the last one answered",
        unit: "ms",
        points: [
          { x: 1, values: [100] },
          { x: 32, values: [3200] },
        ],
      },
      {
        name: "throughput",
        unit: "images/s",
        points: [
          { x: 1, values: [7] },
          { x: 32, values: [8.25] },
        ],
      },
    ],
  },
  failures: [],
};

export function withSamples(results: Results, samples: readonly Sample[]): Results {
  const replaced = new Set(samples.map(({ subject, metric }) => `${subject} ${metric}`));
  const kept = results.samples.filter(({ subject, metric }) => !replaced.has(`${subject} ${metric}`));
  return { ...results, samples: [...kept, ...samples] };
}
