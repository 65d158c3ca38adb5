/** Measures the subjects that run in Node, each in a process in which no other subject has warmed caches or used memory. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { DecoderName, Measurements } from "../metrics.ts";
import type { Peers } from "../peers/main.ts";
import type { Plan } from "../plan.ts";
import type { Bench } from "./setup.ts";

const timeoutMs = 300_000;

/**
 * Calls a function of peers/ in a new process. Argument and answer travel as JSON.
 * @throws Error with the output of the process when it fails
 */
export async function runPeer<Name extends keyof Peers>(
  name: Name,
  argument: Parameters<Peers[Name]>[0],
): Promise<Awaited<ReturnType<Peers[Name]>>> {
  const file = path.join(import.meta.dirname, "..", "peers", "main.ts");
  const args = ["--disable-warning=ExperimentalWarning", file, name, JSON.stringify(argument)];
  const options = { timeout: timeoutMs, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1));
}

/** Measures a model in one of the runtimes for Node. */
export async function measureModel(
  { model }: Bench,
  { runs }: Plan,
  runtime: "nativeModel" | "tfjsModel",
  precision: "int8" | "fp32",
): Promise<Measurements> {
  const size = model.pack.manifest.preprocessing.crop;
  const answer = await runPeer(runtime, { file: model.files[precision], size, times: runs });
  const { coldMs, runMs, peakProcessBytes, logitError } = answer;
  return {
    cold: [coldMs],
    run: runMs,
    "peak:process": [peakProcessBytes],
    "logit-error": logitError === undefined ? [] : [logitError],
  };
}

/** Measures a JPEG decoder. */
export async function measureDecoder(
  { model, photos }: Bench,
  { decodePhotos, decodes }: Plan,
  decoder: DecoderName,
): Promise<Measurements> {
  const { preprocessing } = model.pack.manifest;
  const files = decodePhotos.map((name) => photos[name]);
  const answer = await runPeer("decode", { decoder, preprocessing, photos: files, times: decodes });
  const times = answer.photos.flatMap(({ name, pixelsMs, tensorMs }): [string, readonly number[]][] => [
    [`decode:${name}`, pixelsMs],
    [`tensor:${name}`, tensorMs],
  ]);
  return { ...Object.fromEntries(times), "peak:process": [answer.peakProcessBytes] };
}
