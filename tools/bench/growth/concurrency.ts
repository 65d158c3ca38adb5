/** What many requests at once cost: one isolate, one thread, so they wait for each other. */

import { neverSeen, readPhoto } from "../../pictures/photos.ts";
import { peakJsBytes } from "../../workerd/inspector.ts";
import type { BenchContext } from "../context.ts";
import type { Plan } from "../plan.ts";
import { sendAtOnce, warmUp } from "../requests.ts";
import type { Series } from "./series.ts";

type Point = Series["points"][number];

export async function growConcurrency(
  context: BenchContext,
  plan: Plan,
  onStep: (step: string, done: number, total: number) => void,
): Promise<Series[]> {
  const jpeg = await readPhoto(context.photo("500x375"));
  const [latency, last, throughput, memory]: [Point[], Point[], Point[], Point[]] = [[], [], [], []];
  const worker = await context.startOurs();
  try {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, jpeg);
    for (const [i, concurrency] of plan.concurrency.entries()) {
      onStep(`${concurrency} at once`, i, plan.concurrency.length);
      const batches: Awaited<ReturnType<typeof sendAtOnce>>[] = [];
      const batch = () =>
        sendAtOnce(
          url,
          Array.from({ length: concurrency }, () => neverSeen(jpeg)),
        );
      for (let n = 0; n < plan.growthRepeats; n++) batches.push(await batch());
      latency.push({ x: concurrency, values: batches.flatMap(({ eachMs }) => eachMs) });
      last.push({ x: concurrency, values: batches.map(({ totalMs }) => totalMs) });
      throughput.push({
        x: concurrency,
        values: batches.map(({ totalMs }) => (1000 * concurrency) / totalMs),
      });
      // Apart from the timed batches: the inspector takes its time too.
      const peak = await peakJsBytes(worker.inspectorPort, async () => void (await batch()));
      const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
      memory.push({ x: concurrency, values: [(peak + ready.wasm_heap_bytes) / 2 ** 20] });
    }
  } finally {
    await worker.close();
  }
  return [
    { name: "the middle one answered", unit: "ms", points: latency },
    { name: "the last one answered", unit: "ms", points: last },
    { name: "throughput", unit: "images/s", points: throughput },
    { name: "ORT's heap + peak JS heap", unit: "MiB", points: memory },
  ];
}
