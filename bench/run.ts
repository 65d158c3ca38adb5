/** Runs all measurements, in order: the subjects in turn, round after round, then what is measured once. */

import { withFolder } from "../cli/store/project.ts";
import { measureBucket } from "./bucket/measure.ts";
import { describeMachine } from "./common/run-files.ts";
import { growths } from "./measure/growth.ts";
import { measureBurst, measureSwaps } from "./measure/memory.ts";
import { measureDecoder, measureModel, runPeer } from "./measure/peers.ts";
import { type Bench, prepareBench } from "./measure/setup.ts";
import { measureOurs, measurePlain } from "./measure/workers.ts";
import { decoderNames, type Measurements } from "./metrics.ts";
import type { Plan } from "./plan.ts";
import { benchRuns, type Failure, type GrowthName, type Sample, type Series } from "./results.ts";
import { standInPack } from "./stand-in/stand-in.ts";

/** Receives progress: `done` of `total` steps of `stage` are done. */
type OnProgress = (stage: string, done: number, total: number) => void;

const hotSwaps = 5;

const measuredPackages = [
  "workerd",
  "wrangler",
  "onnxruntime-web",
  "onnxruntime-node",
  "@tensorflow/tfjs-backend-wasm",
  "jpeg-js",
  "@jsquash/jpeg",
  "sharp",
] as const;

/** Everything that one run measured, as it is stored. */
export type Results = Awaited<ReturnType<typeof runBench>>;

/** Measures everything that `plan` asks for. */
export async function runBench(plan: Plan, onProgress: OnProgress) {
  const startedAt = new Date();
  const machine = await describeMachine(measuredPackages);
  return withFolder(async (folder) => {
    let prepared = 0;
    const bench = await prepareBench(folder, (step) => onProgress(`prepare: ${step}`, prepared++, 4));
    const rounds = await measureRounds(subjectsOf(bench, plan), plan.rounds, (name, done, total) =>
      onProgress(`rounds: ${name}`, done, total),
    );
    const failures: Failure[] = [...rounds.failures];
    const once = <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
      onProgress(what, 0, 1);
      return attempt(what, failures, work);
    };
    const { pack, files } = bench.model;
    const { manifest } = pack;
    const exact = await once("shards, bit for bit", () =>
      runPeer("exact", { packFolder: pack.folder, file: files.int8 }),
    );
    const engines = await once("engines, bit for bit", async () => {
      const others = await Promise.all(plan.engineNetworks.map((network) => standInPack(network)));
      return runPeer("engines", { packFolders: [pack, ...others].map(({ folder }) => folder) });
    });
    // Outside the timed rounds, because jpeg-js takes long for 12 megapixels.
    const decodeAgreement = await once("tensors of all decoders", () =>
      runPeer("decodeAgreement", {
        file: bench.photos["12mp"].file,
        preprocessing: manifest.preprocessing,
      }),
    );
    const burst = await once("eight photos at once", () => measureBurst(bench));
    const swapHeapBytes = await once("hot swaps", () => measureSwaps(bench, hotSwaps));
    const bucket = await once("labelling a bucket", () => measureBucket(bench.workers.ours));
    const growth: Partial<Record<GrowthName, Series[]>> = {};
    for (const [name, grow] of Object.entries(growths)) {
      const series = await attempt(name, failures, () => grow(bench, plan, onProgress));
      if (series) growth[name as GrowthName] = series;
    }
    return {
      format: benchRuns.format,
      mode: plan.mode,
      /** ISO 8601. */
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      machine,
      pictures: Object.values(bench.photos).map(({ file: _file, ...picture }) => picture),
      pack: {
        name: manifest.name,
        bytes: pack.files.reduce((sum, { bytes }) => sum + bytes, 0),
        shards: manifest.shards.length,
      },
      samples: rounds.samples,
      burst: burst ?? null,
      /** Bytes of the engine's WASM memory after each hot swap. */
      swapHeapBytes: swapHeapBytes ?? [],
      /** Logits of the shards compared with those of the graph in one piece. */
      exact: exact ?? null,
      /** Logits and features of the SIMD engine compared with those of ONNX Runtime, for several networks. */
      engines: engines ?? null,
      /** Mean difference of each decoder's 12-megapixel tensor from jpeg-js's, in levels of 0 to 255. */
      decodeAgreement: decodeAgreement ?? {},
      growth,
      /** Pictures per second through the local queue, compared with HTTP and with the simulation. */
      bucket: bucket ?? null,
      failures,
    };
  });
}

function subjectsOf(bench: Bench, plan: Plan): Subject[] {
  const decoders = decoderNames.map((decoder) => ({
    name: `decode-${decoder}`,
    measure: () => measureDecoder(bench, plan, decoder),
  }));
  return [
    { name: "ours", measure: () => measureOurs(bench, plan, "ours") },
    { name: "ours-onnxruntime", measure: () => measureOurs(bench, plan, "ours-onnxruntime") },
    { name: "plain-int8", measure: () => measurePlain(bench, plan, "int8") },
    { name: "plain-fp32", measure: () => measurePlain(bench, plan, "fp32") },
    { name: "tfjs", measure: () => measureModel(bench, plan, "tfjsModel", "fp32") },
    { name: "native-int8", measure: () => measureModel(bench, plan, "nativeModel", "int8") },
    { name: "native-fp32", measure: () => measureModel(bench, plan, "nativeModel", "fp32") },
    ...decoders,
  ];
}

/** One of the things that are compared. */
export interface Subject {
  readonly name: string;
  /** Measures it in a fresh process. */
  readonly measure: () => Promise<Measurements>;
}

/**
 * Returns the order of the subjects in a round. Every other round reverses it, so that a machine that grows warm or busy
 * favours no subject.
 */
export function roundOrder<T>(subjects: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...subjects] : subjects.toReversed();
}

/** Measures all rounds. A subject that fails is reported and left out of later rounds. */
export async function measureRounds(
  subjects: readonly Subject[],
  rounds: number,
  onStep: (step: string, done: number, total: number) => void = () => {},
): Promise<{ samples: Sample[]; failures: Failure[] }> {
  const samples: Sample[] = [];
  const failures: Failure[] = [];
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const { name, measure } of roundOrder(subjects, round)) {
      onStep(name, done++, rounds * subjects.length);
      if (failures.some(({ what }) => what === name)) continue;
      const values = await attempt(name, failures, measure);
      if (values) samples.push({ subject: name, round, values });
    }
  }
  return { samples, failures };
}

/** Returns the result of `work`. If it fails, adds to `failures` and returns undefined. */
export async function attempt<T>(what: string, failures: Failure[], work: () => Promise<T>) {
  try {
    return await work();
  } catch (error) {
    failures.push({ what, reason: reasonOf(error) });
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stderr } = error as { stderr?: unknown };
  // The message of a failed child process holds only its command line. Its stderr has the reason.
  const lines = typeof stderr === "string" ? stderr.trim().split("\n") : [];
  return lines.findLast((line) => /error/i.test(line)) ?? error.message;
}
