/** Runs all measurements, in order. */

import { measureBurst } from "./burst.ts";
import { BenchContext } from "./context.ts";
import { growths } from "./growth.ts";
import { describeMachine } from "./measure/machine.ts";
import { compareDecoders, compareLogits, measureDecoder, measureModel } from "./measure-peers.ts";
import { measureOurs, measurePlain } from "./measure-workers.ts";
import type { Plan } from "./plan.ts";
import { type Failure, type GrowthName, type Results, resultsFormat } from "./results/results.ts";
import { attempt, measureRounds, type Subject } from "./rounds.ts";
import { decoderNames, type SubjectName } from "./subjects.ts";
import { measureSwaps } from "./swaps.ts";

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

/** Measures everything that `plan` asks for. */
export async function runBench(plan: Plan, onProgress: OnProgress): Promise<Results> {
  const startedAt = new Date();
  const machine = await describeMachine(measuredPackages);
  let prepared = 0;
  const context = await BenchContext.create((step) => onProgress(`prepare: ${step}`, prepared++, 4));
  try {
    const rounds = await measureRounds(subjectsOf(context, plan), plan.rounds, (name, done, total) =>
      onProgress(`rounds: ${name}`, done, total),
    );
    const failures: Failure[] = [...rounds.failures];
    const once = <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
      onProgress(what, 0, 1);
      return attempt(what, failures, work);
    };
    const exact = await once("logits, bit for bit", () => compareLogits(context));
    const decodeAgreement = await once("tensors of all decoders", () => compareDecoders(context));
    const burst = await once("eight photos at once", () => measureBurst(context));
    const swapHeapBytes = await once("hot swaps", () => measureSwaps(context, hotSwaps));
    const growth: Results["growth"] = await growAll(context, plan, failures, onProgress);
    const { manifest } = context.model.pack;
    return {
      format: resultsFormat,
      mode: plan.mode,
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      machine,
      pictures: [...context.photos.values()].map(({ file: _file, ...picture }) => picture),
      pack: {
        name: manifest.name,
        bytes: context.model.pack.files.reduce((sum, { bytes }) => sum + bytes, 0),
        shards: manifest.shards.length,
      },
      samples: rounds.samples,
      burst: burst ?? null,
      swapHeapBytes: swapHeapBytes ?? [],
      exact: exact ?? null,
      decodeAgreement: decodeAgreement ?? {},
      growth,
      failures,
    };
  } finally {
    await context.close();
  }
}

function subjectsOf(context: BenchContext, plan: Plan): Subject[] {
  const models: Record<Exclude<SubjectName, `decode-${string}`>, Subject["measure"]> = {
    ours: () => measureOurs(context, plan),
    "plain-int8": () => measurePlain(context, plan, "int8"),
    "plain-fp32": () => measurePlain(context, plan, "fp32"),
    tfjs: () => measureModel(context, plan, "tfjsModel", "fp32"),
    "native-int8": () => measureModel(context, plan, "nativeModel", "int8"),
    "native-fp32": () => measureModel(context, plan, "nativeModel", "fp32"),
  };
  const decoders = decoderNames.map((decoder) => ({
    name: `decode-${decoder}`,
    measure: () => measureDecoder(context, plan, decoder),
  }));
  return [...Object.entries(models).map(([name, measure]) => ({ name, measure })), ...decoders];
}

async function growAll(
  context: BenchContext,
  plan: Plan,
  failures: Failure[],
  onProgress: OnProgress,
): Promise<Results["growth"]> {
  const growth: { -readonly [Name in keyof Results["growth"]]: Results["growth"][Name] } = {};
  for (const [name, grow] of Object.entries(growths)) {
    const series = await attempt(name, failures, () => grow(context, plan, onProgress));
    if (series) growth[name as GrowthName] = series;
  }
  return growth;
}
