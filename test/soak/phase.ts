/** One stretch of traffic to one Worker: its counts, its latency and the memory of the Worker by time, and the silence after it. */
import { setTimeout as sleep } from "node:timers/promises";
import { type MemorySample, type MemoryWatch, watchMemory } from "../../bench/common/memory-watch.ts";
import { ask, type InFlight, readReadiness, repeat } from "../../bench/common/requests.ts";
import { salted } from "../../bench/pictures/photos.ts";
import { quantile } from "../../bench/results.ts";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { smallImage } from "./attacks.ts";
import { type Report, sendRequest } from "./client.ts";
import { kindNames, type Materials, requestsOf, type Turn } from "./kinds.ts";
import { Ledger, probeId, type Sample, type WorkerLog } from "./ledger.ts";
import { padded } from "./pictures.ts";

/** What a phase needs. */
export interface Scene {
  readonly worker: DevWorker;
  readonly log: WorkerLog;
  readonly materials: Materials;
  readonly turns: Iterator<Turn, never>;
  /** Ends the sending early. The phase waits for requests that are under way. */
  readonly signal: AbortSignal;
  readonly onProgress: (seconds: number, ledger: Ledger, memory: MemoryWatch) => void;
}

/** Sends one turn and waits for all of its requests. Never rejects. @param startedMs start of their time, by performance.now() */
export type Send = (startedMs?: number) => Promise<void>;

/** Time for the log lines of the last answers to arrive through the pipe. */
const logSettleMs = 500;
/** Longer than the Worker takes to notice a broken connection. */
const silenceMs = 20_000;
const probes = 20;

/**
 * Runs a phase. It ends when all requests have ended and the Worker has been examined in the silence after them.
 * @param drive sends turns, or reports requests of its own, until it is done
 */
export async function runPhase(scene: Scene, drive: (send: Send, report: Report) => Promise<void>) {
  const { worker, log, materials, turns } = scene;
  const ledger = new Ledger();
  log.drain();
  const memory = await watchMemory(worker, { everyMs: 100, processEvery: 10 });
  const beganMs = performance.now();
  const sinceMs = () => performance.now() - beganMs;
  const tick = setInterval(() => scene.onProgress(sinceMs() / 1000, ledger, memory), 1000);
  const report: Report = {
    sent: (kind) => ledger.sent(kind),
    ended: (kind, outcome, ms) => ledger.ended(kind, outcome, sinceMs(), ms),
  };
  const never = new AbortController().signal;
  const send: Send = async (startedMs = performance.now()) => {
    const turn = turns.next().value;
    report.sent(turn.kind);
    const requests = requestsOf(turn, materials).map(async (outgoing, i) => {
      const id = `soak-${materials.seed}-${turn.salt}-${i}`;
      const outcome = await sendRequest(worker.url, outgoing, turn.kind, id, never);
      report.ended(turn.kind, outcome, performance.now() - startedMs);
    });
    await Promise.all(requests);
  };
  try {
    await drive(send, report);
  } finally {
    clearInterval(tick);
  }
  const wholeMs = sinceMs();
  const silence = await measureSilence(worker.url, materials, turns.next().value.salt);
  const looks = await memory.stop();
  await sleep(logSettleMs);
  const logged = log.drain();
  ledger.settle(logged.byId);
  const { samples, tallies, examples } = ledger;
  const percentilesOf = (isWanted: (status: number) => boolean) =>
    percentiles(samples.filter(({ status }) => isWanted(status)).map(({ ms }) => ms));
  // About sixty points in a chart.
  const stretch = Math.max(1, Math.round(wholeMs / 1000 / 60));
  return {
    seconds: wholeMs / 1000,
    tallies,
    latency: byKind(samples),
    // Milliseconds of answers other than 503, of 200s, and of 503s.
    all: percentilesOf((status) => status !== 503),
    good: percentilesOf((status) => status === 200),
    refused: percentilesOf((status) => status === 503),
    stretches: stretches(samples, stretch, wholeMs),
    memory: memoryStretches(looks, stretch, wholeMs),
    memoryByMinute: memoryStretches(looks, 60, wholeMs),
    /** Requests by status, from the Worker's log. */
    logged: logged.byStatus,
    /** The first things that went wrong. */
    examples,
    silence,
  };
}

/** One stretch of traffic, and the silence after it. */
export type Phase = Awaited<ReturnType<typeof runPhase>>;

/** Sends two requests, and then waits until the isolate holds nothing, or for 20 s. */
async function measureSilence(origin: string, materials: Materials, salt: number) {
  const jpeg = materials.pictures.small[0]!;
  const startedMs = performance.now();
  const next = await probe(origin, salted(jpeg, materials.seed, salt));
  // It needs all room but the reserve, so it is refused if any room was not released.
  const fullSize = await probe(origin, padded(jpeg, defaultMaxImageBytes));
  for (;;) {
    const inFlight = await readInFlight(origin);
    const settledSeconds = (performance.now() - startedMs) / 1000;
    const isIdle = inFlight.permits + inFlight.permit_bytes + inFlight.waiting === 0;
    if (isIdle || settledSeconds * 1000 > silenceMs) return { next, fullSize, inFlight, settledSeconds };
    await sleep(100);
  }
}

/** Sends new small JPEGs, one after the other. @param salts returns a number that was not used before */
export async function probeSmall(origin: string, materials: Materials, salts: () => number) {
  const answers = await repeat(probes, () => probe(origin, smallImage(materials, salts())));
  return percentiles(answers.map(({ ms }) => ms));
}

/** Reads what the requests of the isolate hold. */
export async function readInFlight(origin: string): Promise<InFlight> {
  const { permits, permit_bytes, waiting } = (await readReadiness(origin)).in_flight;
  return { permits, permit_bytes, waiting };
}

async function probe(origin: string, body: Uint8Array) {
  const init = { method: "POST", body: body as BodyInit, headers: { "X-Request-Id": probeId } };
  const { status, ms } = await ask(`${origin}/v1/classify`, init);
  return { status, ms };
}

/** What the isolate holds at one moment, in bytes. */
export type IsolateMemory = Pick<MemorySample, "usedBytes" | "bufferBytes" | "ortBytes">;

/** Milliseconds. */
export type Percentiles = ReturnType<typeof percentiles>;

/** Computes percentiles, with linear interpolation between ranks. */
export function percentiles(ms: readonly number[]) {
  const at = (fraction: number) => quantile(ms, fraction);
  return { count: ms.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Computes the percentiles of each kind, without 503s. */
export function byKind(samples: readonly Sample[]): Record<string, Percentiles> {
  const groups = kindNames.map(
    (kind) => [kind, msOf(samples.filter((sample) => sample.kind === kind))] as const,
  );
  return Object.fromEntries(groups.flatMap(([kind, ms]) => (ms.length > 0 ? [[kind, percentiles(ms)]] : [])));
}

/** Answers in one stretch of time. */
export type Stretch = ReturnType<typeof stretches>[number];

/** Splits answers into stretches of `seconds`. Leaves out the last one unless it is whole. */
export function stretches(samples: readonly Sample[], seconds: number, wholeMs: number) {
  const groups = Map.groupBy(samples, ({ atMs }) => Math.floor(atMs / 1000 / seconds));
  return Array.from({ length: Math.floor(wholeMs / 1000 / seconds) }, (_, i) => {
    const own = groups.get(i) ?? [];
    const perSecond = (wanted: number) => own.filter(({ status }) => status === wanted).length / seconds;
    return {
      atSeconds: i * seconds,
      goodPerSecond: perSecond(200),
      refusedPerSecond: perSecond(503),
      // Milliseconds of answers other than 503. NaN, which JSON stores as null, when there is none.
      p50: quantile(msOf(own), 0.5),
      p99: quantile(msOf(own), 0.99),
    };
  });
}

/** Memory in one stretch of time, in bytes. */
export type MemoryStretch = ReturnType<typeof memoryStretches>[number];

/** Splits memory samples into stretches of `seconds`. The rest at the end belongs to the last whole one. */
export function memoryStretches(samples: readonly MemorySample[], seconds: number, wholeMs: number) {
  const last = Math.max(0, Math.floor(wholeMs / 1000 / seconds) - 1);
  const groups = Map.groupBy(samples, ({ atMs }) => Math.min(last, Math.floor(atMs / 1000 / seconds)));
  return [...groups].map(([index, group]) => {
    const sums = group.map(isolateBytes);
    const peakBytes = Math.max(...sums);
    const { usedBytes, bufferBytes, ortBytes } = group[sums.indexOf(peakBytes)]!;
    const resident = group.flatMap(({ processBytes }) => processBytes ?? []);
    return {
      atSeconds: index * seconds,
      samples: group.length,
      /** Smallest and largest sum of WASM memory, JS objects and ArrayBuffers. */
      floorBytes: Math.min(...sums),
      peakBytes,
      /** The sample with the largest sum. */
      peak: { usedBytes, bufferBytes, ortBytes },
      /** Largest resident size of the workerd process. */
      processBytes: resident.length > 0 ? Math.max(...resident) : undefined,
    };
  });
}

/** Returns the memory of the isolate: WASM memory, JS objects and ArrayBuffers. */
export function isolateBytes({ ortBytes, usedBytes, bufferBytes }: IsolateMemory): number {
  return ortBytes + usedBytes + bufferBytes;
}

function msOf(samples: readonly Sample[]): number[] {
  return samples.filter(({ status }) => status !== 503).map(({ ms }) => ms);
}
