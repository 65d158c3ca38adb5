/** One stretch of traffic against one Worker, with its books and the Worker's memory. */
import { setTimeout as wait } from "node:timers/promises";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { byKind, percentiles, stretches } from "./measure/latency.ts";
import { Ledger } from "./measure/ledger.ts";
import { memoryStretches } from "./measure/memory.ts";
import { MemoryWatch } from "./measure/memory-watch.ts";
import type { WorkerLog } from "./measure/worker-log.ts";
import { measureSilence } from "./probes.ts";
import type { Phase } from "./results.ts";
import { type Report, sendTurn } from "./traffic/client.ts";
import type { Materials } from "./traffic/requests.ts";
import type { Turn } from "./traffic/turns.ts";

export interface Scene {
  readonly worker: DevWorker;
  readonly log: WorkerLog;
  readonly materials: Materials;
  readonly turns: Iterator<Turn, never>;
  /** Ends the sending early; what is under way is waited for. */
  readonly signal: AbortSignal;
  readonly onProgress: (seconds: number, ledger: Ledger, memory: MemoryWatch) => void;
}

/** Sends one turn; it counts from `startedMs`, by performance.now(). */
export type Send = (startedMs?: number) => Promise<void>;

/** Time for the log lines of the last answers to come through the pipe. */
const logSettleMs = 500;

/**
 * The phase ends when all that was sent has ended, and the Worker has been looked at in the silence after it.
 * @param drive sends until it is done, by turns or in a way of its own
 */
export async function runPhase(
  scene: Scene,
  drive: (send: Send, report: Report) => Promise<void>,
): Promise<Phase> {
  const { worker, log, materials, turns } = scene;
  const ledger = new Ledger();
  const memory = new MemoryWatch(worker);
  log.drain();
  memory.start();
  const beganMs = performance.now();
  const sinceMs = () => performance.now() - beganMs;
  const tick = setInterval(() => scene.onProgress(sinceMs() / 1000, ledger, memory), 1000);
  const report: Report = {
    sent: (kind) => ledger.sent(kind),
    ended: (kind, outcome, ms) => ledger.ended(kind, outcome, sinceMs(), ms),
  };
  const send: Send = async (startedMs) => {
    const turn = turns.next().value;
    report.sent(turn.kind);
    await sendTurn(worker.url, turn, materials, report.ended, startedMs);
  };
  try {
    await drive(send, report);
  } finally {
    clearInterval(tick);
  }
  const wholeMs = sinceMs();
  const silence = await measureSilence(worker.url, materials, turns.next().value.salt);
  await memory.stop();
  await wait(logSettleMs);
  const logged = log.drain();
  ledger.settle(logged.byId);
  return { ...summarise(ledger, memory, wholeMs, logged.byStatus), silence };
}

function summarise(
  ledger: Ledger,
  { samples: looks }: MemoryWatch,
  wholeMs: number,
  logged: Readonly<Record<string, number>>,
): Omit<Phase, "silence"> {
  const { samples, tallies, examples } = ledger;
  const of = (wanted: (status: number) => boolean) =>
    percentiles(samples.filter(({ status }) => wanted(status)).map(({ ms }) => ms));
  const seconds = wholeMs / 1000;
  // About sixty points in a drawing.
  const stretch = Math.max(1, Math.round(seconds / 60));
  return {
    seconds,
    tallies,
    latency: byKind(samples),
    all: of((status) => status !== 503),
    good: of((status) => status === 200),
    refused: of((status) => status === 503),
    stretches: stretches(samples, stretch, wholeMs),
    memory: memoryStretches(looks, stretch, wholeMs),
    memoryByMinute: memoryStretches(looks, 60, wholeMs),
    logged,
    examples,
  };
}
