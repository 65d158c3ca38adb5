/** Measures the largest memory use: eight different large photos at once, with the model loaded. */

import { peakJsBytes } from "../cli/workerd/inspector.ts";
import type { BenchContext } from "./context.ts";
import { fourToThree, photo, readPhoto, scenes } from "./pictures/photos.ts";
import { ortHeapBytes, repeat } from "./requests.ts";
import type { BurstReport } from "./results/results.ts";

/** Sends photos of 12 and 24 megapixels, half of them progressive, to a fresh Worker. */
export async function measureBurst(context: BenchContext): Promise<BurstReport> {
  const photos = await repeat(scenes.length, (i) => {
    const [scene, megapixels, progressive] = [scenes[i]!, i < 4 ? 12 : 24, i % 2 === 1];
    const name = `${scene}, ${megapixels} MP${progressive ? ", progressive" : ""}`;
    return photo(name, { ...fourToThree(megapixels), progressive, scene });
  });
  const bodies = await Promise.all(photos.map(readPhoto));
  return context.withWorker("ours", async (worker) => {
    await ortHeapBytes(worker.url);
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
      ortHeapBytes: await ortHeapBytes(worker.url),
      peakJsBytes: peak,
      peakProcessBytes: (await worker.peakProcessBytes()) ?? 0,
    };
  });
}

async function statusOf(url: string, body: Uint8Array): Promise<number> {
  const response = await fetch(url, { method: "POST", body: body as BodyInit });
  await response.arrayBuffer();
  return response.status;
}
