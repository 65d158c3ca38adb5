/** One stretch of traffic to one Worker, with its counts, the Worker's memory, and the silence after it. */
import { setTimeout as sleep } from "node:timers/promises";
import { type MemoryWatch, watchMemory } from "../../bench/common/memory-watch.ts";
import { ask, type InFlight, readReadiness, repeat } from "../../bench/common/requests.ts";
import { salted } from "../../bench/pictures/photos.ts";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { smallImage } from "./attacks.ts";
import { type Report, sendRequest } from "./client.ts";
import { type Materials, requestsOf, type Turn } from "./kinds.ts";
import { Ledger, probeId, type WorkerLog } from "./ledger.ts";
import { padded } from "./pictures.ts";
import { byKind, memoryStretches, percentiles, stretches } from "./stretches.ts";

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
