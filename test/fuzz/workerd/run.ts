/** Sends hostile files to the built Worker in workerd, with a valid image after every few. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectFolder } from "../../../cli/store/local-bucket.ts";
import { packsFolder } from "../../../cli/store/local-pack.ts";
import type { Progress } from "../../../cli/terminal/progress.ts";
import { seedPack } from "../../../cli/workerd/bucket-state.ts";
import type { Bundle } from "../../../cli/workerd/bundle.ts";
import { DevWorker } from "../../../cli/workerd/dev-worker.ts";
import { seededChoices } from "../choices.ts";
import { hostileFile } from "../generate.ts";
import { largeSeeds, type SeedFile, smallSeeds } from "../seeds.ts";
import { addAttempt, type Memory, newTally, type Tally } from "../tally.ts";

/** Files 0 to `count` of a seed. */
export interface WorkerdRun {
  readonly count: number;
  readonly seed: number;
  /** The built Worker. */
  readonly bundle: Bundle;
  /** A request hangs when it takes longer than this. */
  readonly hangMs: number;
  /** A valid image is sent after this many hostile ones. */
  readonly goodEvery: number;
}

/** Statuses that a hostile image may get. Mutations can leave a valid image, hence 200. */
export const allowedStatuses: readonly number[] = [200, 400, 413, 415, 422];
const embedded = "resnet34-cifar10";
const memoryReadings = 20;

/** Starts a Worker, sends it every file, and stops it. */
export async function fuzzInWorkerd(run: WorkerdRun, progress: Progress): Promise<Tally> {
  const stateFolder = await mkdtemp(path.join(tmpdir(), "edge-resnet-fuzz-"));
  try {
    await seedPack(stateFolder, path.join(packsFolder, embedded));
    const worker = await DevWorker.start({ bundle: run.bundle, stateFolder, vars: {} });
    return await sendAll(worker, run, progress).finally(() => worker.close());
  } finally {
    await rm(stateFolder, { recursive: true, force: true });
  }
}

async function sendAll(worker: DevWorker, run: WorkerdRun, progress: Progress): Promise<Tally> {
  const { count, seed, hangMs, goodEvery } = run;
  const tally = newTally();
  const seeds = [...(await smallSeeds()), ...(await largeSeeds())];
  const checkValid = await validImages(worker, hangMs, seeds);
  tally.memory.first = await settledMemory(worker, checkValid);
  for (let index = 0; index < count; index++) {
    const { bytes, from, mutations } = hostileFile(seededChoices(seed, index), seeds);
    const recipe = { index, from, mutations, bytes: bytes.length };
    const { status, outcome, text, ms } = await classify(worker, bytes, hangMs);
    const fault = { fault: `answered ${outcome}: ${text.slice(0, 300)}` };
    const isAllowed = allowedStatuses.includes(status);
    addAttempt(tally, { way: "HTTP", outcome, ms, ...(isAllowed ? {} : fault) }, recipe);
    tally.count++;
    if ((index + 1) % goodEvery === 0 || index + 1 === count) {
      const wrong = await checkValid(index);
      const result = wrong === undefined ? { outcome: "right" } : { outcome: "wrong", fault: wrong };
      addAttempt(tally, { way: "sound image after it", ms: 0, ...result }, recipe);
    }
    progress.update("hostile files, in workerd", index + 1, count);
  }
  tally.memory.last = await settledMemory(worker, checkValid);
  return tally;
}

/** Sends an image. Status 0 means that there was no answer; `outcome` is the status and the code. */
async function classify(worker: DevWorker, bytes: Uint8Array, hangMs: number) {
  const startedMs = performance.now();
  const ms = () => performance.now() - startedMs;
  try {
    const signal = AbortSignal.timeout(hangMs);
    const body = bytes as BodyInit;
    const response = await fetch(`${worker.url}/v1/classify`, { method: "POST", body, signal });
    const text = await response.text();
    const code = /"code":"(\w+)"/.exec(text)?.[1] ?? "";
    const { status } = response;
    return { status, outcome: `${status} ${code}`.trim(), text, ms: ms() };
  } catch (error) {
    return { status: 0, outcome: "no answer", text: String(error), ms: ms() };
  }
}

/** Sends the next valid image and returns what is wrong with the answer, if anything. `after` is for the message. */
type CheckValid = (after: number) => Promise<string | undefined>;

/** Records the answers to a valid image for each scale. Later answers must be equal; none comes from the cache. */
async function validImages(
  worker: DevWorker,
  hangMs: number,
  seeds: readonly SeedFile[],
): Promise<CheckValid> {
  const photo = new Uint8Array(await readFile(path.join(projectFolder, "examples", "images", "ship.jpg")));
  const images = [photo, ...seeds.filter(({ large }) => large).map(({ bytes }) => bytes)];
  const ask = async (index: number) => {
    const image = distinct(images[index % images.length]!, index);
    const { status, outcome, text } = await classify(worker, image, hangMs);
    if (status !== 200) return `${outcome}: ${text.slice(0, 300)}`;
    const { image: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
    return JSON.stringify(rest);
  };
  const expected = await Promise.all(images.map((_, i) => ask(i)));
  const broken = expected.find((answer) => !answer.includes('"predictions"'));
  if (broken !== undefined)
    throw new Error(`a valid image got ${broken}; expected predictions: check the build`);
  let asked = images.length;
  return async (after) => {
    const index = asked++;
    const answer = await ask(index);
    const before = expected[index % images.length];
    if (answer === before) return undefined;
    return `a valid image after file ${after} was answered ${answer}, before ${before}`;
  };
}

/** The same picture with another hash: decoders ignore bytes after the end of the image. */
function distinct(image: Uint8Array, n: number): Uint8Array {
  const copy = new Uint8Array(image.length + 4);
  copy.set(image);
  new DataView(copy.buffer).setUint32(image.length, n);
  return copy;
}

/** The lowest of several readings, with valid images between them: workerd's inspector cannot force a collection. */
async function settledMemory(worker: DevWorker, checkValid: CheckValid): Promise<Memory> {
  let least = await memoryOf(worker);
  for (let reading = 1; reading < memoryReadings; reading++) {
    await checkValid(-1);
    const next = await memoryOf(worker);
    if (next.heapBytes < least.heapBytes) least = next;
  }
  return least;
}

/** JS heap with ArrayBuffers, and ORT's heap. */
async function memoryOf(worker: DevWorker): Promise<Memory> {
  const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
  const { usedSize, backingStorageSize } = await worker.heapUsage();
  return { heapBytes: usedSize + backingStorageSize, wasmBytes: ready.wasm_heap_bytes };
}
