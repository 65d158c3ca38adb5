/** One soak: a Worker of its own, sustained traffic, attacks, an overload, and the silence after each. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describeMachine } from "../../bench/measure/machine.ts";
import { packsFolder, readLocalPack } from "../../cli/store/local-pack.ts";
import { seedPack } from "../../cli/workerd/bucket-state.ts";
import { type Bundle, buildOurs } from "../../cli/workerd/bundle.ts";
import { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { type AttackName, attackNames, runAttack } from "./attacks/attacks.ts";
import { ImageServer } from "./attacks/image-server.ts";
import { readAttackPictures } from "./attacks/pictures.ts";
import { percentiles } from "./measure/latency.ts";
import { answers, type Ledger, total } from "./measure/ledger.ts";
import type { MemoryWatch } from "./measure/memory-watch.ts";
import { WorkerLog } from "./measure/worker-log.ts";
import { runOverload } from "./overload.ts";
import { runPhase, type Scene } from "./phase.ts";
import { postNew } from "./probes.ts";
import { type AttackPhase, type SoakResults, soakFormat } from "./results.ts";
import { runSustained } from "./sustained.ts";
import { readPictures } from "./traffic/pictures.ts";
import { readReference } from "./traffic/reference.ts";
import type { Materials } from "./traffic/requests.ts";
import { requestsPerTurn, turns } from "./traffic/turns.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** All of them by default. */
  readonly attacks?: readonly AttackName[];
  /** A Worker that is built already; else it is built here. */
  readonly bundle?: Bundle;
  readonly onStep: (step: string) => void;
  readonly onProgress: (stage: string, seconds: number, ofSeconds: number, scene: ProgressFacts) => void;
}

export interface ProgressFacts {
  readonly ledger: Ledger;
  readonly memory: MemoryWatch;
}

/** The overload sends so many times what was answered before. */
export const overloadFactor = 4;
const model = "resnet34-cifar10";
const packages = ["workerd", "wrangler", "onnxruntime-web"] as const;

export async function runSoak(options: SoakOptions): Promise<SoakResults> {
  const { minutes, concurrency, seed, signal, onStep } = options;
  const startedAt = new Date().toISOString();
  const machine = await describeMachine(packages);
  const folder = await mkdtemp(path.join(tmpdir(), "edge-resnet-soak-"));
  const log = new WorkerLog();
  let worker: DevWorker | undefined;
  let origin: ImageServer | undefined;
  try {
    onStep("pictures");
    const pictures = await readPictures();
    onStep("Worker");
    const attackPictures = await readAttackPictures();
    origin = await ImageServer.start(pictures.small[0]!);
    worker = await startWorker(folder, options.bundle, log, origin.url);
    const { url } = worker;
    const references = [];
    for (const jpeg of pictures.small) references.push(await readReference(url, jpeg));
    const materials: Materials = { seed, pictures, references };
    const scene = (stage: string, seconds: number): Scene => ({
      worker: worker as DevWorker,
      log,
      materials,
      turns: source,
      signal,
      onProgress: (now, ledger, memory) => options.onProgress(stage, now, seconds, { ledger, memory }),
    });
    const source = turns(seed);
    const salts = () => source.next().value.salt;
    const sustained = await runSustained(scene("sustained", 60 * minutes), 60 * minutes, concurrency);
    const results: SoakResults = {
      format: soakFormat,
      startedAt,
      machine,
      options: { minutes, concurrency, seed },
      interrupted: signal.aborted,
      sustained,
      attacks: [],
    };
    const attacks: AttackPhase[] = [];
    for (const name of options.attacks ?? attackNames) {
      if (signal.aborted) return { ...results, attacks };
      const idle = await postNew(url, materials, salts);
      const lasting = attackSeconds(minutes);
      const end = AbortSignal.any([signal, AbortSignal.timeout(1000 * lasting)]);
      const phase = await runPhase(scene(name, lasting), (_, report) =>
        runAttack(name, { origin: url, materials, pictures: attackPictures, report, salts, signal: end }),
      );
      attacks.push({ name, idle: percentiles(idle.map(({ ms }) => ms)), phase });
    }
    if (signal.aborted) return { ...results, interrupted: true, attacks };

    const before = await postNew(url, materials, salts);
    const perSecond = (overloadFactor * answers(total(sustained.tallies))) / sustained.seconds;
    const seconds = overloadSeconds(minutes);
    const overload = await runOverload(scene("overload", seconds), seconds, perSecond / requestsPerTurn);
    const after = await postNew(url, materials, salts);
    return {
      ...results,
      attacks,
      interrupted: signal.aborted,
      overload: {
        ...overload.phase,
        offeredPerSecond: perSecond,
        sendingSeconds: overload.sendingSeconds,
      },
      recovery: {
        drainSeconds: overload.drainSeconds,
        before: percentiles(before.map(({ ms }) => ms)),
        after: percentiles(after.map(({ ms }) => ms)),
      },
    };
  } finally {
    await worker?.close();
    await origin?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Half of the sustained traffic: five minutes in a soak of ten. At least enough to fill the queue and see it stay full. */
export function overloadSeconds(minutes: number): number {
  return Math.max(5, Math.min(300, 30 * minutes));
}

/** Of each attack: in a soak of ten minutes long enough for an upload of 16 MiB at 200 KiB a second. */
export function attackSeconds(minutes: number): number {
  return Math.max(4, Math.min(100, 10 * minutes));
}

async function startWorker(
  folder: string,
  built: Bundle | undefined,
  log: WorkerLog,
  imageOrigin: string,
): Promise<DevWorker> {
  const packFolder = path.join(packsFolder, model);
  const { manifest } = await readLocalPack(packFolder);
  const bundle = built ?? (await buildOurs(path.join(folder, "bundle")));
  const stateFolder = path.join(folder, "state");
  await seedPack(stateFolder, packFolder);
  const vars = { MODEL_NAME: manifest.name, IMAGE_ORIGIN: imageOrigin };
  return DevWorker.start({ bundle, stateFolder, vars, onLog: log.take, ownProcessGroup: true });
}
