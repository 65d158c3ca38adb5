/** What a larger input of the model costs: the same weights, packed for each size. */

import { neverSeen, readPhoto } from "../../pictures/photos.ts";
import type { BenchContext } from "../context.ts";
import type { Plan } from "../plan.ts";
import { send, stageMs, warmUp } from "../requests.ts";
import { standIn } from "../stand-in/stand-in.ts";
import type { Series } from "./series.ts";

type Point = Series["points"][number];

export async function growInputSize(
  context: BenchContext,
  plan: Plan,
  onStep: (step: string, done: number, total: number) => void,
): Promise<Series[]> {
  const jpeg = await readPhoto(context.photo("500x375"));
  const [whole, run, heap]: [Point[], Point[], Point[]] = [[], [], []];
  for (const [i, size] of plan.inputSizes.entries()) {
    onStep(`input ${size}`, i, plan.inputSizes.length);
    const worker = await context.startOursWith((await standIn(size)).pack);
    try {
      const url = `${worker.url}/v1/classify`;
      await warmUp(url, jpeg);
      const answers: Awaited<ReturnType<typeof send>>[] = [];
      for (let n = 0; n < 2 * plan.growthRepeats; n++) answers.push(await send(url, neverSeen(jpeg)));
      whole.push({ x: size, values: answers.map(({ ms }) => ms) });
      run.push({ x: size, values: answers.map(({ headers }) => stageMs(headers, "run")) });
      const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
      heap.push({ x: size, values: [ready.wasm_heap_bytes / 2 ** 20] });
    } finally {
      await worker.close();
    }
  }
  return [
    { name: "JPEG to answer", unit: "ms", points: whole },
    { name: "forward pass", unit: "ms", points: run },
    { name: "WASM heap of ORT", unit: "MiB", points: heap },
  ];
}
