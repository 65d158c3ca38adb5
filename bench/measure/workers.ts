/** Measures our Worker and the plain one, in a fresh workerd each time. */
import { setTimeout as sleep } from "node:timers/promises";
import { benchHeadName } from "../../cli/head/random-head.ts";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import {
  ask,
  getJson,
  msOf,
  ortHeapBytes,
  post,
  repeat,
  sendAtOnce,
  sendEach,
  stageMs,
  warmUp,
  withCpu,
} from "../common/requests.ts";
import { withWorker } from "../common/workers.ts";
import { headRequests, type Measurements, stages } from "../metrics.ts";
import { neverSeen, readPhoto } from "../pictures/photos.ts";
import { type PictureName, type Plan, pictureNames } from "../plan.ts";
import type { Bench } from "./setup.ts";

/** The pictures for the plain Worker: jpeg-js cannot decode larger ones within 128 MB. */
const plainPictures: readonly PictureName[] = ["500x375", "12mp"];
const settleMs = 1000;
/** Cache hits take less than the 10 ms tick of the CPU clock, so more of them are sent. */
const hitsPerMiss = 10;

/** A warm Worker: its address, and that of its classification. */
interface Target {
  readonly worker: DevWorker;
  readonly url: string;
  /** The smallest picture. */
  readonly small: Uint8Array;
}

/** Measures our Worker with one of its engines: cold, warm, cached, with a head, under load, and its memory. */
export function measureOurs(
  bench: Bench,
  plan: Plan,
  subject: "ours" | "ours-onnxruntime",
): Promise<Measurements> {
  const { requests } = plan;
  return measureWorker(
    bench,
    plan,
    subject,
    "/v1/classify",
    pictureNames,
    async ({ worker, url, small }) => ({
      "r2-reads": (await worker.logs("model_loaded")).map(({ r2_reads }) => Number(r2_reads)).slice(0, 1),
      ...(await stageTimes(url, small, requests)),
      floor: msOf(await repeat(requests, () => ask(`${worker.url}/healthz`))),
      ...(await cacheHits(worker, url, small, hitsPerMiss * requests)),
      ...(await headTimes(url, small, requests)),
      eight: [(await sendAtOnce(url, small, 8)).totalMs],
    }),
  );
}

/** Measures the Worker that loads the model as one file with onnxruntime-web's defaults. */
export function measurePlain(bench: Bench, plan: Plan, precision: "int8" | "fp32"): Promise<Measurements> {
  return measureWorker(bench, plan, precision, "/classify", plainPictures, async ({ worker }) => ({
    run: (await getJson<{ ms: number[] }>(`${worker.url}/run?times=${plan.runs}`)).ms,
  }));
}

/** Measures what both Workers have. Between the first answer and the pictures, measures `more`. */
function measureWorker(
  bench: Bench,
  plan: Plan,
  subject: keyof Bench["workers"],
  route: string,
  pictures: readonly PictureName[],
  more: (target: Target) => Promise<Measurements>,
): Promise<Measurements> {
  return withWorker(bench.workers[subject], async (worker) => {
    const url = `${worker.url}${route}`;
    const small = await readPhoto(bench.photos["500x375"]);
    // wrangler keeps the machine busy for a moment after the Worker first answers.
    await sleep(settleMs);
    const [cold, coldCpu] = await withCpu(worker, () => post(url, neverSeen(small)));
    await warmUp(url, small);
    const all: Record<string, readonly number[]> = {
      cold: [cold.ms],
      "cpu:cold": coldCpu,
      ...(await more({ worker, url, small })),
    };
    for (const name of pictures) {
      const jpeg = await readPhoto(bench.photos[name]);
      const times = name === "500x375" ? plan.requests : plan.requestsOfLarge;
      const [answers, cpu] = await withCpu(worker, () => sendEach(url, jpeg, times));
      all[`warm:${name}`] = msOf(answers);
      all[`cpu:${name}`] = cpu.map((ms) => ms / times);
    }
    const { usedSize, backingStorageSize } = await worker.heapUsage();
    const peak = await worker.peakProcessBytes();
    return {
      ...all,
      "heap:wasm": [await ortHeapBytes(worker.url)],
      "heap:js": [usedSize + backingStorageSize],
      "peak:process": peak === undefined ? [] : [peak],
    };
  });
}

async function stageTimes(url: string, jpeg: Uint8Array, times: number): Promise<Measurements> {
  const answers = await sendEach(url, jpeg, times);
  const msOfStage = (stage: string) => answers.map(({ headers }) => stageMs(headers, stage));
  return Object.fromEntries(
    stages.map((stage) => [`stage:${stage}`, msOfStage(stage).filter((ms) => !Number.isNaN(ms))]),
  );
}

async function cacheHits(worker: DevWorker, url: string, jpeg: Uint8Array, times: number) {
  await post(url, jpeg);
  const [answers, cpu] = await withCpu(worker, () => repeat(times, () => post(url, jpeg)));
  const missed = answers.find(({ headers }) => headers.get("X-Cache") !== "HIT");
  if (missed) throw new Error("a repeated picture was not a cache hit");
  return { hit: msOf(answers), "cpu:hit": cpu.map((ms) => ms / times) };
}

/** Measures what a head adds. Requests with and without it alternate, so that both meet the same machine. */
async function headTimes(url: string, jpeg: Uint8Array, requests: number): Promise<Measurements> {
  const urls = { head: `${url}?head=${benchHeadName}&unknown=true`, plain: url };
  // Loads the head, and puts the picture into the cache.
  await post(urls.head, jpeg);
  const all: Record<string, number[]> = {};
  for (const kind of headRequests) {
    for (let i = 0; i < requests * (kind === "hit" ? hitsPerMiss : 1); i++) {
      // Swaps the order each time: the second request may find a warmer machine.
      for (const asked of i % 2 === 0 ? (["plain", "head"] as const) : (["head", "plain"] as const)) {
        const answer = await post(urls[asked], kind === "hit" ? jpeg : neverSeen(jpeg));
        const cache = answer.headers.get("X-Cache");
        if (cache !== kind.toUpperCase()) throw new Error(`expected a cache ${kind}; it was a ${cache}`);
        all[`${asked}:${kind}`] = [...(all[`${asked}:${kind}`] ?? []), answer.ms];
      }
    }
  }
  return all;
}
