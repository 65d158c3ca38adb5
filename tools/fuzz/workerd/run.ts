/** Hostile files through the built Worker in workerd, over HTTP, with a sound image between every few. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectFolder } from "../../store/local-bucket.ts";
import { packsFolder } from "../../store/local-pack.ts";
import type { Progress } from "../../terminal/progress.ts";
import { seedPack } from "../../workerd/bucket-state.ts";
import type { Bundle } from "../../workerd/bundle.ts";
import { DevWorker } from "../../workerd/dev-worker.ts";
import { seededChoices } from "../choices.ts";
import { hostileFile } from "../generate.ts";
import { largeSeeds, type SeedFile, smallSeeds } from "../seeds.ts";
import { addAttempt, type Memory, newTally, type Tally } from "../tally.ts";

export interface WorkerdRun {
  readonly count: number;
  readonly seed: number;
  /** The built Worker. */
  readonly bundle: Bundle;
  readonly hangMs: number;
  /** A sound image is sent after so many hostile ones. */
  readonly goodEvery: number;
}

/** What a hostile image may be answered: it is no image of ours to decode, or it is one after all. */
export const allowedStatuses: readonly number[] = [200, 400, 413, 415, 422];
const embedded = "resnet34-cifar10";
const stage = "hostile files, in workerd";
const memoryReadings = 20;

export async function fuzzInWorkerd(run: WorkerdRun, progress: Progress): Promise<Tally> {
  const stateFolder = await mkdtemp(path.join(tmpdir(), "edge-resnet-fuzz-"));
  try {
    await seedPack(stateFolder, path.join(packsFolder, embedded));
    const worker = await DevWorker.start({ bundle: run.bundle, stateFolder, vars: {} });
    try {
      return await sendAll(worker, run, progress);
    } finally {
      await worker.close();
    }
  } finally {
    await rm(stateFolder, { recursive: true, force: true });
  }
}

async function sendAll(worker: DevWorker, run: WorkerdRun, progress: Progress): Promise<Tally> {
  const { count, seed, hangMs, goodEvery } = run;
  const tally = newTally();
  const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
  const sound = await soundImages(worker, hangMs, seeds);
  tally.memory.first = await settledMemory(worker, sound);
  for (let index = 0; index < count; index++) {
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, index), seeds);
    const answer = await classify(worker, bytes, hangMs);
    const allowed = allowedStatuses.includes(answer.status);
    const finding = { index, way: "HTTP", from, mutations, ms: answer.ms, bytes: bytes.length };
    const fault = `answered ${answer.outcome}: ${answer.text.slice(0, 300)}`;
    addAttempt(
      tally,
      { way: "HTTP", outcome: answer.outcome, ms: answer.ms },
      allowed ? finding : { ...finding, fault },
    );
    tally.count++;
    if ((index + 1) % goodEvery === 0 || index + 1 === count) {
      const wrong = await sound.check(index);
      const after = { ...finding, way: "sound image after it", ms: 0 };
      const outcome = wrong === undefined ? "right" : "wrong";
      addAttempt(
        tally,
        { way: after.way, outcome, ms: 0 },
        wrong === undefined ? after : { ...after, fault: wrong },
      );
    }
    progress.update(stage, index + 1, count);
  }
  tally.memory.last = await settledMemory(worker, sound);
  return tally;
}

interface Answered {
  /** 0: no answer. */
  readonly status: number;
  /** Status and code. */
  readonly outcome: string;
  readonly text: string;
  readonly ms: number;
}

async function classify(worker: DevWorker, bytes: Uint8Array, hangMs: number): Promise<Answered> {
  const startedMs = performance.now();
  try {
    const response = await fetch(`${worker.url}/v1/classify`, {
      method: "POST",
      body: bytes as BodyInit,
      signal: AbortSignal.timeout(hangMs),
    });
    const text = await response.text();
    const code = /"code":"(\w+)"/.exec(text)?.[1] ?? "";
    const outcome = `${response.status} ${code}`.trim();
    return { status: response.status, outcome, text, ms: performance.now() - startedMs };
  } catch (error) {
    return { status: 0, outcome: "no answer", text: String(error), ms: performance.now() - startedMs };
  }
}

interface SoundImages {
  /** Asks for the next one, past the cache; what is wrong with the answer, if anything. */
  check(after: number): Promise<string | undefined>;
}

/** Sound images of each scale: their answers before anything hostile, and again later, past the cache. */
async function soundImages(
  worker: DevWorker,
  hangMs: number,
  seeds: readonly SeedFile[],
): Promise<SoundImages> {
  const photo = new Uint8Array(await readFile(path.join(projectFolder, "examples", "images", "ship.jpg")));
  const images = [photo, ...seeds.filter(({ large }) => large).map(({ bytes }) => bytes)];
  const ask = async (index: number) => {
    const answer = await classify(worker, distinct(images[index % images.length]!, index), hangMs);
    const { image: _, ...rest } = JSON.parse(answer.status === 200 ? answer.text : "{}") as Record<
      string,
      unknown
    >;
    return answer.status === 200 ? JSON.stringify(rest) : `${answer.outcome}: ${answer.text.slice(0, 300)}`;
  };
  const expected = await Promise.all(images.map((_, i) => ask(i)));
  const broken = expected.find((answer) => !answer.includes('"predictions"'));
  if (broken !== undefined) throw new Error(`the Worker does not answer a sound image: ${broken}`);
  let asked = images.length;
  return {
    async check(after) {
      const index = asked++;
      const answer = await ask(index);
      if (answer === expected[index % images.length]) return undefined;
      return `a sound image after file ${after} was answered ${answer}, before ${expected[index % images.length]}`;
    },
  };
}

/** The same picture under another hash: what follows the end of the image is ignored. */
function distinct(image: Uint8Array, n: number): Uint8Array {
  const copy = new Uint8Array(image.length + 4);
  copy.set(image);
  new DataView(copy.buffer).setUint32(image.length, n);
  return copy;
}

/**
 * The least of several readings, with sound images between them: V8 collects as it needs room, and workerd's inspector
 * has no call that makes it.
 */
async function settledMemory(worker: DevWorker, sound: SoundImages): Promise<Memory> {
  let least = await memoryOf(worker);
  for (let reading = 1; reading < memoryReadings; reading++) {
    await sound.check(-1);
    const next = await memoryOf(worker);
    if (next.heapBytes < least.heapBytes) least = next;
  }
  return least;
}

/** JS heap and ArrayBuffers; ORT's heap. */
async function memoryOf(worker: DevWorker): Promise<Memory> {
  const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
  const { usedSize, backingStorageSize } = await worker.heapUsage();
  return { heapBytes: usedSize + backingStorageSize, wasmBytes: ready.wasm_heap_bytes };
}
