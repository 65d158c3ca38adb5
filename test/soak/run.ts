/** One soak: sustained traffic, attacks and an overload on a Worker of its own, with the silence after each. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MemoryWatch } from "../../bench/common/memory-watch.ts";
import { repeat } from "../../bench/common/requests.ts";
import { describeMachine, type RunKind } from "../../bench/common/run-files.ts";
import { withPackWorker } from "../../bench/common/workers.ts";
import { projectFolder } from "../../cli/store/project.ts";
import type { Bundle } from "../../cli/workerd/bundle.ts";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { type AttackName, attackNames, runAttack } from "./attacks.ts";
import { type Materials, Reference, requestsPerTurn, turns } from "./kinds.ts";
import { answers, type Ledger, total, WorkerLog } from "./ledger.ts";
import { type Percentiles, type Phase, probeSmall, runPhase, type Scene } from "./phase.ts";
import { type AttackPictures, readAttackPictures, readPictures, startImageServer } from "./pictures.ts";

/** Where the results are stored. */
export const soakRuns = {
  folder: path.join(projectFolder, "soak-results"),
  format: 3,
  command: "npm run soak",
} as const satisfies RunKind;

/** How to run a soak. */
export interface SoakOptions {
  readonly minutes: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Default: all. */
  readonly attacks?: readonly AttackName[];
  /** A built Worker. Default: the soak builds it. */
  readonly bundle?: Bundle;
  readonly onStep: (step: string) => void;
  readonly onProgress: (stage: string, seconds: number, ofSeconds: number, facts: ProgressFacts) => void;
}

/** The counts and the memory of the current phase. */
export interface ProgressFacts {
  readonly ledger: Ledger;
  readonly memory: Pick<MemoryWatch, "samples">;
}

/** The overload sends this many times the requests that the Worker answered before. */
const overloadFactor = 4;
/**
 * Turns of the overload under way at once. It is twice what the Worker lets wait (64 small and 64 large requests), and
 * keeps `wrangler dev`, whose proxies hold four sockets per request, far from its limit of open files.
 */
const maxUnderWay = 256;

/** Everything that one soak measured, as it is stored. */
export type SoakResults = Awaited<ReturnType<typeof runSoak>>;

/** Runs a soak. */
export async function runSoak(options: SoakOptions) {
  const startedAt = new Date().toISOString();
  const machine = await describeMachine(["workerd", "wrangler", "onnxruntime-web"]);
  options.onStep("pictures");
  const pictures = await readPictures();
  const attackPictures = await readAttackPictures();
  options.onStep("Worker");
  const images = await startImageServer(pictures.small[0]!);
  const log = new WorkerLog();
  const { minutes, concurrency, seed, bundle } = options;
  const workerOptions = {
    ...(bundle ? { bundle } : {}),
    vars: { IMAGE_ORIGIN: images.url },
    onLog: log.take,
    ownProcessGroup: true,
  };
  try {
    return await withPackWorker(workerOptions, async (worker) => {
      const references = await repeat(pictures.small.length, (i) =>
        Reference.read(worker.url, pictures.small[i]!),
      );
      const phases = await runPhases(options, worker, log, { seed, pictures, references }, attackPictures);
      return {
        format: soakRuns.format,
        /** ISO 8601. */
        startedAt,
        machine,
        options: { minutes, concurrency, seed },
        interrupted: options.signal.aborted,
        ...phases,
      };
    });
  } finally {
    await images.close();
  }
}

/** One attack, with small requests before and during it. */
export interface AttackPhase {
  readonly name: AttackName;
  /** Milliseconds of new JPEGs of 86 KB, one after the other, just before the attack. */
  readonly idle: Percentiles;
  /** Its kind `small` has the same requests during the attack. */
  readonly phase: Phase;
}

async function runPhases(
  options: SoakOptions,
  worker: DevWorker,
  log: WorkerLog,
  materials: Materials,
  pictures: AttackPictures,
) {
  const { minutes, concurrency, signal } = options;
  const source = turns(materials.seed);
  const salts = () => source.next().value.salt;
  const scene = (stage: string, seconds: number): Scene => ({
    worker,
    log,
    materials,
    turns: source,
    signal,
    onProgress: (now, ledger, memory) => options.onProgress(stage, now, seconds, { ledger, memory }),
  });
  const probeIdle = () => probeSmall(worker.url, materials, salts);

  const sustained = await runSustained(scene("sustained", 60 * minutes), 60 * minutes, concurrency);
  const attacks: AttackPhase[] = [];
  for (const name of options.attacks ?? attackNames) {
    if (signal.aborted) return { sustained, attacks, overload: undefined };
    const idle = await probeIdle();
    const seconds = attackSeconds(minutes);
    const end = AbortSignal.any([signal, AbortSignal.timeout(1000 * seconds)]);
    const phase = await runPhase(scene(name, seconds), (_, report) =>
      runAttack(name, { origin: worker.url, materials, pictures, report, salts, signal: end }),
    );
    attacks.push({ name, idle, phase });
  }
  if (signal.aborted) return { sustained, attacks, overload: undefined };

  const before = await probeIdle();
  const offeredPerSecond = (overloadFactor * answers(total(sustained.tallies))) / sustained.seconds;
  const seconds = overloadSeconds(minutes);
  const overload = await runOverload(scene("overload", seconds), seconds, offeredPerSecond);
  // Milliseconds of new JPEGs of 86 KB, one after the other, before and after the overload.
  return { sustained, attacks, overload: { ...overload, before, after: await probeIdle() } };
}

/**
 * Runs clients that each wait for their answer before they send again: the Worker is always busy and never overloaded.
 * The latencies are those at this many requests at once, not those at a rate of arrivals.
 */
function runSustained(scene: Scene, seconds: number, concurrency: number): Promise<Phase> {
  return runPhase(scene, async (send) => {
    const endMs = performance.now() + 1000 * seconds;
    const client = async () => {
      while (performance.now() < endMs && !scene.signal.aborted) await send();
    };
    await Promise.all(Array.from({ length: concurrency }, client));
  });
}

/**
 * Sends more requests than the Worker can answer, at a fixed rate. The time of a request counts from when it was due, so
 * a slow answer does not hide others (no coordinated omission).
 */
async function runOverload(scene: Scene, seconds: number, offeredPerSecond: number) {
  const everyMs = (1000 * requestsPerTurn) / offeredPerSecond;
  let [sendingSeconds, drainSeconds] = [0, 0];
  const phase = await runPhase(scene, async (send) => {
    const beganMs = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let i = 0; !scene.signal.aborted; i++) {
      const dueMs = beganMs + i * everyMs;
      // A sender that is late sends fewer turns. It does not send for longer.
      if (Math.max(dueMs, performance.now()) >= beganMs + 1000 * seconds) break;
      const leftMs = dueMs - performance.now();
      if (leftMs > 1) await sleep(leftMs);
      if (underWay.size < maxUnderWay) {
        const turn: Promise<void> = send(dueMs).finally(() => underWay.delete(turn));
        underWay.add(turn);
      }
      // A late sender must still read answers.
      if (leftMs <= 1) await new Promise(setImmediate);
    }
    const lastSentMs = performance.now();
    await Promise.all(underWay);
    sendingSeconds = (lastSentMs - beganMs) / 1000;
    drainSeconds = (performance.now() - lastSentMs) / 1000;
  });
  // Requests per second that were due; seconds until the last was sent, and from then until the last answer.
  return { ...phase, offeredPerSecond, sendingSeconds, drainSeconds };
}

/** Returns all phases that ran, by their name in reports. */
export function phasesOf({ sustained, attacks, overload }: SoakResults): (readonly [string, Phase])[] {
  return [
    ["sustained traffic", sustained],
    ...attacks.map(({ name, phase }) => [name, phase] as const),
    ...(overload ? [["overload", overload] as const] : []),
  ];
}

/** Half of the sustained traffic: five minutes in a soak of ten. At least long enough to fill the queue. */
export function overloadSeconds(minutes: number): number {
  return Math.max(5, Math.min(300, 30 * minutes));
}

/** In a soak of ten minutes, each attack is long enough for an upload of 16 MiB at 200 KiB a second. */
export function attackSeconds(minutes: number): number {
  return Math.max(4, Math.min(100, 10 * minutes));
}
