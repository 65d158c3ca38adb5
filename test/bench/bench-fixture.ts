/** Results of a run that never was: every figure just within its bar, so that a test can push one over. */
import type { Metric } from "../../bench/metrics.ts";
import type { Sample } from "../../bench/results.ts";
import type { Results } from "../../bench/run.ts";

const MiB = 2 ** 20;

/** The same values in each of three rounds, the middle value being `median`. */
export function rounds(subject: string, metric: Metric, median: number): Sample[] {
  return [0, 1, 2].map((round) => ({
    subject,
    round,
    values: { [metric]: [median * 0.9, median, median * 3] },
  }));
}

export const passing: Results = {
  format: 3,
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
  pictures: [
    { name: "500x375", width: 500, height: 375, progressive: false, scene: "teapot", bytes: 53_000 },
  ],
  pack: { name: "resnet34-224", bytes: 22e6, shards: 5 },
  samples: [
    ...rounds("ours", "heap:wasm", 30 * MiB),
    ...rounds("ours", "stage:run", 55),
    ...rounds("ours", "warm:500x375", 70),
    ...rounds("ours", "cold", 350),
    ...rounds("ours-onnxruntime", "heap:wasm", 56 * MiB),
    ...rounds("ours-onnxruntime", "warm:500x375", 125),
    ...rounds("ours-onnxruntime", "cold", 700),
    ...rounds("ours-onnxruntime", "cpu:500x375", 170),
    ...rounds("ours-onnxruntime", "cpu:hit", 2),
    ...rounds("ours-onnxruntime", "cpu:cold", 1800),
    ...rounds("ours-onnxruntime", "r2-reads", 8),
    ...rounds("ours", "hit", 7),
    ...rounds("ours", "head:miss", 126),
    ...rounds("ours", "plain:miss", 120),
    ...rounds("ours", "cpu:500x375", 100),
    ...rounds("ours", "cpu:hit", 2),
    ...rounds("ours", "cpu:cold", 900),
    ...rounds("ours", "r2-reads", 8),
    ...rounds("plain-int8", "run", 100),
    ...rounds("plain-int8", "cold", 1000),
    ...rounds("decode-ours", "tensor:12mp", 40),
    ...rounds("decode-jpeg-js", "decode:12mp", 500),
  ],
  bucket: null,
  burst: {
    photos: [{ name: "teapot, 12 MP", bytes: 3e6 }],
    statuses: Array(8).fill(200),
    seconds: 3,
    ortHeapBytes: 50 * MiB,
    peakJsBytes: 50 * MiB,
    peakProcessBytes: 300 * MiB,
  },
  swapHeapBytes: [28 * MiB, 30 * MiB, 30 * MiB, 30 * MiB, 30 * MiB],
  exact: { compared: 4000, different: 0 },
  engines: { networks: ["resnet34-224"], compared: 6048, different: 0 },
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
        name: "WASM memory",
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

/** Replaces the values of a metric. */
export function withSamples(results: Results, samples: readonly Sample[]): Results {
  const replaced = new Set(
    samples.flatMap(({ subject, values }) => Object.keys(values).map((metric) => `${subject} ${metric}`)),
  );
  const kept = results.samples.filter(
    ({ subject, values }) => !Object.keys(values).some((metric) => replaced.has(`${subject} ${metric}`)),
  );
  return { ...results, samples: [...kept, ...samples] };
}
