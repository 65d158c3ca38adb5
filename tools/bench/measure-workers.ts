/** The Workers, ours and the plain one, in a fresh workerd each time. */

import { neverSeen, readPhoto } from "../pictures/photos.ts";
import type { DevWorker } from "../workerd/dev-worker.ts";
import type { BenchContext } from "./context.ts";
import { measureHead } from "./measure-head.ts";
import { type PictureName, type Plan, pictureNames } from "./plan.ts";
import { cpuDuring, send, sendAtOnce, sendEach, stageMs, warmUp } from "./requests.ts";
import type { Measured, Unit } from "./results/samples.ts";
import { metrics, stages } from "./subjects.ts";

/** What the plain Worker is sent: jpeg-js does not get further within 128 MB. */
const plainPictures: readonly PictureName[] = ["500x375", "12mp"];

const settleMs = 1000;

export async function measureOurs(context: BenchContext, plan: Plan): Promise<Measured[]> {
  const worker = await context.startOurs();
  try {
    const url = `${worker.url}/v1/classify`;
    const small = await readPhoto(context.photo("500x375"));
    const measured = [...(await coldStart(worker, url, small))];
    const loaded = (await worker.logs("model_loaded"))[0] as { r2_reads?: number } | undefined;
    if (loaded?.r2_reads !== undefined) measured.push(of(metrics.r2Reads, "count", [loaded.r2_reads]));

    await warmUp(url, small);
    measured.push(...(await warmPictures(worker, url, context, plan, pictureNames)));
    measured.push(...(await requestStages(url, small, plan.requests)));
    measured.push(of(metrics.floor, "ms", await timeHealthz(worker.url, plan.requests)));
    measured.push(...(await cacheHits(worker, url, small, plan.requests)));
    measured.push(...(await measureHead(url, small, plan.requests)));
    const eight = Array.from({ length: 8 }, () => neverSeen(small));
    measured.push(of(metrics.eight, "ms", [(await sendAtOnce(url, eight)).totalMs]));

    const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
    measured.push(of(metrics.wasmHeap, "bytes", [ready.wasm_heap_bytes]), ...(await memory(worker)));
    return measured;
  } finally {
    await worker.close();
  }
}

export async function measurePlain(
  context: BenchContext,
  plan: Plan,
  precision: "int8" | "fp32",
): Promise<Measured[]> {
  const worker = await context.startPlain(precision);
  try {
    const url = `${worker.url}/classify`;
    const small = await readPhoto(context.photo("500x375"));
    const measured = [...(await coldStart(worker, url, small))];
    await warmUp(url, small);
    const runs = (await (await fetch(`${worker.url}/run?times=${plan.runs}`)).json()) as { ms: number[] };
    measured.push(of(metrics.run, "ms", runs.ms));
    measured.push(...(await warmPictures(worker, url, context, plan, plainPictures)));
    const heap = (await (await fetch(`${worker.url}/heap`)).json()) as { wasm_heap_bytes: number };
    measured.push(of(metrics.wasmHeap, "bytes", [heap.wasm_heap_bytes]), ...(await memory(worker)));
    return measured;
  } finally {
    await worker.close();
  }
}

async function coldStart(worker: DevWorker, url: string, jpeg: Uint8Array): Promise<Measured[]> {
  // Starting wrangler keeps the machine busy a little longer than until the Worker answers.
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  let ms = Number.NaN;
  const cpu = await cpuDuring(worker, async () => {
    ({ ms } = await send(url, neverSeen(jpeg)));
  });
  return [of(metrics.cold, "ms", [ms]), of(metrics.coldCpu, "ms", cpu)];
}

async function warmPictures(
  worker: DevWorker,
  url: string,
  context: BenchContext,
  plan: Plan,
  pictures: readonly PictureName[],
): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const name of pictures) {
    const jpeg = await readPhoto(context.photo(name));
    const times = name === "500x375" ? plan.requests : plan.requestsOfLarge;
    let ms: number[] = [];
    const cpu = await cpuDuring(worker, async () => {
      ms = await sendEach(url, jpeg, times);
    });
    measured.push(of(metrics.warm(name), "ms", ms));
    measured.push(
      of(
        metrics.warmCpu(name),
        "ms",
        cpu.map((total) => total / times),
      ),
    );
  }
  return measured;
}

async function requestStages(url: string, jpeg: Uint8Array, times: number): Promise<Measured[]> {
  const headers: Headers[] = [];
  for (let i = 0; i < times; i++) headers.push((await send(url, neverSeen(jpeg))).headers);
  return stages.map((stage) => {
    const values = headers.map((each) => stageMs(each, stage)).filter((ms) => !Number.isNaN(ms));
    return of(metrics.stage(stage), "ms", values);
  });
}

async function timeHealthz(origin: string, times: number): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedMs = performance.now();
    await (await fetch(`${origin}/healthz`)).arrayBuffer();
    ms.push(performance.now() - startedMs);
  }
  return ms;
}

async function cacheHits(
  worker: DevWorker,
  url: string,
  jpeg: Uint8Array,
  requests: number,
): Promise<Measured[]> {
  await send(url, jpeg);
  // Hits are quick: more of them, so that their CPU shows in ticks of 10 ms.
  const times = 10 * requests;
  const ms: number[] = [];
  const cpu = await cpuDuring(worker, async () => {
    for (let i = 0; i < times; i++) {
      const answer = await send(url, jpeg);
      if (answer.headers.get("X-Cache") !== "HIT") throw new Error("a repeated picture was no cache hit");
      ms.push(answer.ms);
    }
  });
  return [
    of(metrics.hit, "ms", ms),
    of(
      metrics.hitCpu,
      "ms",
      cpu.map((total) => total / times),
    ),
  ];
}

async function memory(worker: DevWorker): Promise<Measured[]> {
  const { usedSize, backingStorageSize } = await worker.heapUsage();
  const peak = await worker.peakProcessBytes();
  return [
    of(metrics.jsHeap, "bytes", [usedSize + backingStorageSize]),
    of(metrics.peakProcess, "bytes", peak === undefined ? [] : [peak]),
  ];
}

function of(metric: string, unit: Unit, values: readonly number[]): Measured {
  return { metric, unit, values };
}
