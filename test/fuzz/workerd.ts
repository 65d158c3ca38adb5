/** Sends hostile files to the built Worker in workerd, with a valid image after every few. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { ask, readReadiness, repeat } from "../../bench/common/requests.ts";
import { withPackWorker } from "../../bench/common/workers.ts";
import { salted } from "../../bench/pictures/photos.ts";
import { projectFolder } from "../../cli/store/project.ts";
import type { Progress } from "../../cli/terminal/progress.ts";
import type { Bundle } from "../../cli/workerd/bundle.ts";
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { type FuzzRun, fuzz, type Memory, type Tally } from "./run.ts";
import { largeSeeds } from "./seeds.ts";

/** Which files to send, and to which Worker. */
export interface WorkerdRun extends FuzzRun {
  /** A built Worker. Default: it is built here. */
  readonly bundle?: Bundle;
  /** Sends a valid image after this many hostile ones. */
  readonly goodEvery: number;
}

/** Statuses that a hostile image may get. Mutations can leave a valid image, hence 200. */
const allowedStatuses: readonly number[] = [200, 400, 413, 415, 422];
const memoryReadings = 20;

/** Starts a Worker, sends it every file, and stops it. */
export function fuzzInWorkerd({ bundle, ...run }: WorkerdRun, progress: Progress): Promise<Tally> {
  return withPackWorker(bundle ? { bundle } : {}, async (worker) => {
    const send = (image: Uint8Array) => classify(worker, image, run.hangMs);
    const checkValid = await validImages(send);
    const target = {
      name: "hostile files, in workerd",
      warmUpFiles: 0,
      memory: () => settledMemory(worker, checkValid),
      async attempt(bytes: Uint8Array, index: number) {
        const { status, outcome, text, ms } = await send(bytes);
        const isAllowed = allowedStatuses.includes(status);
        const fault = isAllowed ? {} : { fault: `answered ${outcome}: ${text.slice(0, 300)}` };
        const attempts = [{ way: "HTTP", outcome, ms, ...fault }];
        if ((index + 1) % run.goodEvery !== 0 && index + 1 !== run.count) return attempts;
        const wrong = await checkValid(index);
        const result = wrong === undefined ? { outcome: "right" } : { outcome: "wrong", fault: wrong };
        return [...attempts, { way: "sound image after it", ms: 0, ...result }];
      },
    };
    return fuzz(run, target, progress);
  });
}

/** Sends an image. Status 0 means that there was no answer. `outcome` is the status and the code. */
async function classify(worker: DevWorker, bytes: Uint8Array, hangMs: number) {
  const startedMs = performance.now();
  const init = { method: "POST", body: bytes as BodyInit, signal: AbortSignal.timeout(hangMs) };
  try {
    const { status, text, ms } = await ask(`${worker.url}/v1/classify`, init);
    const code = /"code":"(\w+)"/.exec(text)?.[1] ?? "";
    return { status, outcome: `${status} ${code}`.trim(), text, ms };
  } catch (error) {
    return { status: 0, outcome: "no answer", text: String(error), ms: performance.now() - startedMs };
  }
}

type Send = (image: Uint8Array) => ReturnType<typeof classify>;
/** Sends the next valid image and returns what is wrong with the answer, if anything. `after` is for the message. */
type CheckValid = (after: number) => Promise<string | undefined>;

/** Records the answers to a valid image for each scale. Later answers must be equal; none comes from the cache. */
async function validImages(send: Send): Promise<CheckValid> {
  const photo = new Uint8Array(await readFile(path.join(projectFolder, "examples", "images", "teapot.jpg")));
  const images = [photo, ...(await largeSeeds()).map(({ bytes }) => bytes)];
  let asked = 0;
  const answerToNext = async (): Promise<string> => {
    const index = asked++;
    const { status, outcome, text } = await send(salted(images[index % images.length]!, index));
    if (status !== 200) return `${outcome}: ${text.slice(0, 300)}`;
    const { image: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
    return JSON.stringify(rest);
  };
  const expected = await repeat(images.length, answerToNext);
  const broken = expected.find((answer) => !answer.includes('"predictions"'));
  if (broken !== undefined) {
    throw new Error(`a valid image got ${broken}; expected predictions: check the build`);
  }
  return async (after) => {
    const before = expected[asked % images.length];
    const answer = await answerToNext();
    if (answer === before) return undefined;
    return `a valid image after file ${after} was answered ${answer}, before ${before}`;
  };
}

/** Returns the smallest of several readings, with valid images between them: workerd's inspector cannot force a collection. */
async function settledMemory(worker: DevWorker, checkValid: CheckValid): Promise<Memory> {
  const readings = await repeat(memoryReadings, async (i): Promise<Memory> => {
    if (i > 0) await checkValid(-1);
    const { wasm_heap_bytes } = await readReadiness(worker.url);
    const { usedSize, backingStorageSize } = await worker.heapUsage();
    return { heapBytes: usedSize + backingStorageSize, wasmBytes: wasm_heap_bytes };
  });
  return readings.reduce((least, next) => (next.heapBytes < least.heapBytes ? next : least));
}
