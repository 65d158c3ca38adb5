/** Measures our Worker and the plain one, in a fresh workerd each time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DevWorker } from "../cli/workerd/dev-worker.ts";
import type { BenchContext } from "./context.ts";
import { measureHead } from "./measure-head.ts";
import { neverSeen, readPhoto } from "./pictures/photos.ts";
import { type PictureName, type Plan, pictureNames } from "./plan.ts";
import {
  getJson,
  msOf,
  ortHeapBytes,
  repeat,
  send,
  sendAtOnce,
  sendEach,
  stageMs,
  warmUp,
  withCpu,
} from "./requests.ts";
import { type Measured, measured } from "./results/samples.ts";
import { metrics, stages } from "./subjects.ts";

/** The pictures for the plain Worker: jpeg-js cannot decode larger ones within 128 MB. */
const plainPictures: readonly PictureName[] = ["500x375", "12mp"];
const settleMs = 1000;

/** Measures our Worker: cold, warm, cached, with a head, under load, and its memory. */
export function measureOurs(context: BenchContext, plan: Plan): Promise<Measured[]> {
  return context.withWorker("ours", async (worker) => {
    const url = `${worker.url}/v1/classify`;
    const small = await readPhoto(context.photo("500x375"));
    const cold = await coldStart(worker, url, small);
    const reads = (await worker.logs("model_loaded")).map(({ r2_reads }) => Number(r2_reads));
    await warmUp(url, small);
    return [
      ...cold,
      measured(metrics.r2Reads, "count", reads.slice(0, 1)),
      ...(await warmPictures(worker, url, context, plan, pictureNames)),
      ...(await requestStages(url, small, plan.requests)),
      measured(metrics.floor, "ms", await timeHealthz(worker.url, plan.requests)),
      ...(await cacheHits(worker, url, small, plan.requests)),
      ...(await measureHead(url, small, plan.requests)),
      measured(metrics.eight, "ms", [(await sendAtOnce(url, small, 8)).totalMs]),
      measured(metrics.wasmHeap, "bytes", [await ortHeapBytes(worker.url)]),
      ...(await memory(worker)),
    ];
  });
}

/** Measures the Worker that loads the model as one file with onnxruntime-web's defaults. */
export function measurePlain(
  context: BenchContext,
  plan: Plan,
  precision: "int8" | "fp32",
): Promise<Measured[]> {
  return context.withWorker(precision, async (worker) => {
    const url = `${worker.url}/classify`;
    const small = await readPhoto(context.photo("500x375"));
    const cold = await coldStart(worker, url, small);
    await warmUp(url, small);
    const runs = await getJson<{ ms: number[] }>(`${worker.url}/run?times=${plan.runs}`);
    const pictures = await warmPictures(worker, url, context, plan, plainPictures);
    const heap = await getJson<{ wasm_heap_bytes: number }>(`${worker.url}/heap`);
    return [
      ...cold,
      measured(metrics.run, "ms", runs.ms),
      ...pictures,
      measured(metrics.wasmHeap, "bytes", [heap.wasm_heap_bytes]),
      ...(await memory(worker)),
    ];
  });
}

async function coldStart(worker: DevWorker, url: string, jpeg: Uint8Array): Promise<Measured[]> {
  // wrangler keeps the machine busy for a moment after the Worker first answers.
  await sleep(settleMs);
  const [{ ms }, cpu] = await withCpu(worker, () => send(url, neverSeen(jpeg)));
  return [measured(metrics.cold, "ms", [ms]), measured(metrics.coldCpu, "ms", cpu)];
}

async function warmPictures(
  worker: DevWorker,
  url: string,
  context: BenchContext,
  plan: Plan,
  pictures: readonly PictureName[],
): Promise<Measured[]> {
  const all: Measured[] = [];
  for (const name of pictures) {
    const jpeg = await readPhoto(context.photo(name));
    const times = name === "500x375" ? plan.requests : plan.requestsOfLarge;
    const [answers, cpu] = await withCpu(worker, () => sendEach(url, jpeg, times));
    all.push(measured(metrics.warm(name), "ms", msOf(answers)));
    all.push(measured(metrics.warmCpu(name), "ms", perRequest(cpu, times)));
  }
  return all;
}

async function requestStages(url: string, jpeg: Uint8Array, times: number): Promise<Measured[]> {
  const answers = await sendEach(url, jpeg, times);
  return stages.map((stage) => {
    const values = answers.map(({ headers }) => stageMs(headers, stage));
    return measured(
      metrics.stage(stage),
      "ms",
      values.filter((ms) => !Number.isNaN(ms)),
    );
  });
}

function timeHealthz(origin: string, times: number): Promise<number[]> {
  return repeat(times, async () => {
    const startedMs = performance.now();
    await (await fetch(`${origin}/healthz`)).arrayBuffer();
    return performance.now() - startedMs;
  });
}

async function cacheHits(
  worker: DevWorker,
  url: string,
  jpeg: Uint8Array,
  requests: number,
): Promise<Measured[]> {
  await send(url, jpeg);
  // The CPU of one hit is less than the clock's tick of 10 ms.
  const times = 10 * requests;
  const [answers, cpu] = await withCpu(worker, () => repeat(times, () => send(url, jpeg)));
  const missed = answers.find(({ headers }) => headers.get("X-Cache") !== "HIT");
  if (missed) throw new Error("a repeated picture was no cache hit");
  return [measured(metrics.hit, "ms", msOf(answers)), measured(metrics.hitCpu, "ms", perRequest(cpu, times))];
}

async function memory(worker: DevWorker): Promise<Measured[]> {
  const { usedSize, backingStorageSize } = await worker.heapUsage();
  const peak = await worker.peakProcessBytes();
  return [
    measured(metrics.jsHeap, "bytes", [usedSize + backingStorageSize]),
    measured(metrics.peakProcess, "bytes", peak === undefined ? [] : [peak]),
  ];
}

const perRequest = (cpu: readonly number[], requests: number) => cpu.map((ms) => ms / requests);
