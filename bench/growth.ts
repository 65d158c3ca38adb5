/** Measures how time and memory grow with the model's input, with the image, and with requests at once. */

import { peakJsBytes } from "../cli/workerd/inspector.ts";
import { runPeer } from "./child.ts";
import type { BenchContext } from "./context.ts";
import { fourToThree, type Photo, photo, readPhoto } from "./pictures/photos.ts";
import type { Plan } from "./plan.ts";
import { msOf, ortHeapBytes, repeat, sendAtOnce, sendEach, stageMs, warmUp } from "./requests.ts";
import type { GrowthName } from "./results/results.ts";
import { type Series, SeriesCollector } from "./series.ts";
import { standIn } from "./stand-in/stand-in.ts";

type Grow = (
  context: BenchContext,
  plan: Plan,
  onStep: (step: string, done: number, total: number) => void,
) => Promise<Series[]>;

/** The measurements, each with the name of its curves in the results. */
export const growths: Readonly<Record<GrowthName, Grow>> = {
  "input-size": growInputSize,
  "image-size": growImageSize,
  concurrency: growConcurrency,
};

const MiB = 2 ** 20;

/** Packs the same weights for inputs of several sizes. */
async function growInputSize(...[context, plan, onStep]: Parameters<Grow>): Promise<Series[]> {
  const series = new SeriesCollector();
  const jpeg = await readPhoto(context.photo("500x375"));
  for (const [i, size] of plan.inputSizes.entries()) {
    onStep(`input ${size}`, i, plan.inputSizes.length);
    await context.withWorker((await standIn(size)).pack, async (worker) => {
      const url = `${worker.url}/v1/classify`;
      await warmUp(url, jpeg);
      const answers = await sendEach(url, jpeg, 2 * plan.growthRepeats);
      const run = answers.map(({ headers }) => stageMs(headers, "run"));
      series.add("JPEG to answer", "ms", size, msOf(answers));
      series.add("forward pass", "ms", size, run);
      series.add("WASM heap of ORT", "MiB", size, [(await ortHeapBytes(worker.url)) / MiB]);
    });
  }
  return series.all();
}

/** Sends baseline and progressive images of several sizes, and has jpeg-js decode the baseline ones. */
async function growImageSize(...[context, plan, onStep]: Parameters<Grow>): Promise<Series[]> {
  const series = new SeriesCollector();
  const forJpegJs: Photo[] = [];
  await context.withWorker("ours", async (worker) => {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, await readPhoto(context.photo("500x375")));
    for (const [i, megapixels] of plan.megapixels.entries()) {
      onStep(`image ${megapixels} MP`, i, plan.megapixels.length);
      for (const kind of ["baseline", "progressive"]) {
        const progressive = kind === "progressive";
        const spec = { ...fourToThree(megapixels), progressive, scene: "ship" };
        const picture = await photo(String(megapixels), spec);
        const jpeg = await readPhoto(picture);
        // The first image of a kind may run code that is not compiled yet.
        await sendEach(url, jpeg, 1);
        const answers = await sendEach(url, jpeg, plan.growthRepeats);
        series.add(`${kind}, to answer`, "ms", megapixels, msOf(answers));
        if (!progressive && megapixels <= plan.jpegJsMaxMegapixels) forJpegJs.push(picture);
      }
    }
  });
  const { preprocessing } = context;
  const argument = { decoder: "jpeg-js", preprocessing, photos: forJpegJs, times: 1 } as const;
  const { photos } = await runPeer("decode", argument);
  for (const { name, pixelsMs } of photos)
    series.add("jpeg-js, decoding alone", "ms", Number(name), pixelsMs);
  return series.all();
}

/** Sends several requests at once. One isolate has one thread, so they wait for each other. */
async function growConcurrency(...[context, plan, onStep]: Parameters<Grow>): Promise<Series[]> {
  const series = new SeriesCollector();
  const jpeg = await readPhoto(context.photo("500x375"));
  await context.withWorker("ours", async (worker) => {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, jpeg);
    for (const [i, count] of plan.concurrency.entries()) {
      onStep(`${count} at once`, i, plan.concurrency.length);
      const batches = await repeat(plan.growthRepeats, () => sendAtOnce(url, jpeg, count));
      const totals = batches.map(({ totalMs }) => totalMs);
      const each = batches.flatMap(({ eachMs }) => eachMs);
      const throughput = totals.map((ms) => (1000 * count) / ms);
      // The inspector slows the Worker down, so its batch is not timed.
      const peak = await peakJsBytes(
        worker.inspectorPort,
        async () => void (await sendAtOnce(url, jpeg, count)),
      );
      const heap = peak + (await ortHeapBytes(worker.url));
      series.add("the middle one answered", "ms", count, each);
      series.add("the last one answered", "ms", count, totals);
      series.add("throughput", "images/s", count, throughput);
      series.add("ORT's heap + peak JS heap", "MiB", count, [heap / MiB]);
    }
  });
  return series.all();
}
