/** Measures how time and memory grow with the model's input, with the image, and with requests at once. */
import { withPeakJsBytes } from "../common/memory-watch.ts";
import { MiB } from "../common/report.ts";
import { msOf, ortHeapBytes, repeat, sendAtOnce, sendEach, stageMs, warmUp } from "../common/requests.ts";
import { withPackWorker, withWorker } from "../common/workers.ts";
import { fourToThree, type Photo, photo, readPhoto } from "../pictures/photos.ts";
import type { Plan } from "../plan.ts";
import type { GrowthName, Series } from "../results.ts";
import { standIn } from "../stand-in/stand-in.ts";
import { runPeer } from "./peers.ts";
import type { Bench } from "./setup.ts";

/** The measurements, by the name of their curves in the results. */
export const growths: Readonly<Record<GrowthName, Grow>> = {
  "input-size": growInputSize,
  "image-size": growImageSize,
  concurrency: growConcurrency,
};

type OnStep = (step: string, done: number, total: number) => void;
type Grow = (bench: Bench, plan: Plan, onStep: OnStep) => Promise<Series[]>;

/** Collects points into curves, which keep the order in which they are first named. */
function collectCurves() {
  const curves = new Map<string, Series & { readonly points: Series["points"][number][] }>();
  return {
    add(name: string, unit: Series["unit"], x: number, values: readonly number[]): void {
      const curve = curves.get(name) ?? { name, unit, points: [] };
      curve.points.push({ x, values });
      curves.set(name, curve);
    },
    all: (): Series[] => [...curves.values()],
  };
}

/** Packs the same weights for inputs of several sizes. */
async function growInputSize(bench: Bench, plan: Plan, onStep: OnStep): Promise<Series[]> {
  const curves = collectCurves();
  const jpeg = await readPhoto(bench.photos["500x375"]);
  const { bundle } = bench.workers.ours;
  for (const [i, size] of plan.inputSizes.entries()) {
    onStep(`input ${size}`, i, plan.inputSizes.length);
    const packFolder = (await standIn(size)).pack.folder;
    await withPackWorker({ bundle, packFolder }, async (worker) => {
      const url = `${worker.url}/v1/classify`;
      await warmUp(url, jpeg);
      const answers = await sendEach(url, jpeg, 2 * plan.growthRepeats);
      const run = answers.map(({ headers }) => stageMs(headers, "run"));
      curves.add("JPEG to answer", "ms", size, msOf(answers));
      curves.add("forward pass", "ms", size, run);
      curves.add("WASM memory", "MiB", size, [(await ortHeapBytes(worker.url)) / MiB]);
    });
  }
  return curves.all();
}

/** Sends baseline and progressive images of several sizes, and lets jpeg-js decode the baseline ones. */
async function growImageSize(bench: Bench, plan: Plan, onStep: OnStep): Promise<Series[]> {
  const curves = collectCurves();
  const forJpegJs: Photo[] = [];
  await withWorker(bench.workers.ours, async (worker) => {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, await readPhoto(bench.photos["500x375"]));
    for (const [i, megapixels] of plan.megapixels.entries()) {
      onStep(`image ${megapixels} MP`, i, plan.megapixels.length);
      for (const progressive of [false, true]) {
        const spec = { ...fourToThree(megapixels), progressive, scene: "teapot" };
        const picture = await photo(String(megapixels), spec);
        const jpeg = await readPhoto(picture);
        // The first image of a kind may run code that is not compiled yet.
        await sendEach(url, jpeg, 1);
        const answers = await sendEach(url, jpeg, plan.growthRepeats);
        const kind = progressive ? "progressive" : "baseline";
        curves.add(`${kind}, to answer`, "ms", megapixels, msOf(answers));
        if (!progressive && megapixels <= plan.jpegJsMaxMegapixels) forJpegJs.push(picture);
      }
    }
  });
  const { preprocessing } = bench.model.pack.manifest;
  const argument = { decoder: "jpeg-js", preprocessing, photos: forJpegJs, times: 1 } as const;
  const { photos } = await runPeer("decode", argument);
  for (const { name, pixelsMs } of photos)
    curves.add("jpeg-js, decoding alone", "ms", Number(name), pixelsMs);
  return curves.all();
}

/** Sends several requests at once. One isolate has one thread, so they wait for each other. */
async function growConcurrency(bench: Bench, plan: Plan, onStep: OnStep): Promise<Series[]> {
  const curves = collectCurves();
  const jpeg = await readPhoto(bench.photos["500x375"]);
  await withWorker(bench.workers.ours, async (worker) => {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, jpeg);
    for (const [i, count] of plan.concurrency.entries()) {
      onStep(`${count} at once`, i, plan.concurrency.length);
      const batches = await repeat(plan.growthRepeats, () => sendAtOnce(url, jpeg, count));
      const totals = batches.map(({ totalMs }) => totalMs);
      const throughput = totals.map((ms) => (1000 * count) / ms);
      // The inspector slows the Worker down, so its batch is not timed.
      const [, peakBytes] = await withPeakJsBytes(worker, () => sendAtOnce(url, jpeg, count));
      const heapBytes = peakBytes + (await ortHeapBytes(worker.url));
      const eachMs = batches.flatMap((batch) => batch.eachMs);
      curves.add("the middle one answered", "ms", count, eachMs);
      curves.add("the last one answered", "ms", count, totals);
      curves.add("throughput", "images/s", count, throughput);
      curves.add("WASM memory + peak JS heap", "MiB", count, [heapBytes / MiB]);
    }
  });
  return curves.all();
}
