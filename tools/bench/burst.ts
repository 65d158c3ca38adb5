/** The worst moment that the memory must bear: eight different large photos at once, the model loaded. */

import { fourToThree, type Photo, photo, readPhoto, scenes } from "../pictures/photos.ts";
import { peakJsBytes } from "../workerd/inspector.ts";
import type { BenchContext } from "./context.ts";
import type { BurstReport } from "./results/results.ts";

export async function measureBurst(context: BenchContext): Promise<BurstReport> {
  const photos: Photo[] = [];
  for (const [i, scene] of scenes.entries()) {
    const megapixels = i < 4 ? 12 : 24;
    const progressive = i % 2 === 1;
    const name = `${scene}, ${megapixels} MP${progressive ? ", progressive" : ""}`;
    photos.push(await photo(name, { ...fourToThree(megapixels), progressive, scene }));
  }
  const worker = await context.startOurs();
  try {
    const ready = async () =>
      (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
    await ready();
    const bodies = await Promise.all(photos.map(readPhoto));
    let statuses: number[] = [];
    const startedMs = performance.now();
    const peak = await peakJsBytes(worker.inspectorPort, async () => {
      statuses = await Promise.all(bodies.map((body) => statusOf(`${worker.url}/v1/classify`, body)));
    });
    const seconds = (performance.now() - startedMs) / 1000;
    return {
      photos: photos.map(({ name, bytes }) => ({ name, bytes })),
      statuses,
      seconds,
      ortHeapBytes: (await ready()).wasm_heap_bytes,
      peakJsBytes: peak,
      peakProcessBytes: (await worker.peakProcessBytes()) ?? 0,
    };
  } finally {
    await worker.close();
  }
}

async function statusOf(url: string, body: Uint8Array): Promise<number> {
  const response = await fetch(url, { method: "POST", body: body as BodyInit });
  await response.arrayBuffer();
  return response.status;
}
