/** Measures the subjects that run in Node, each in a process of its own. */
import { runPeer } from "./child.ts";
import type { BenchContext } from "./context.ts";
import type { ModelAnswer } from "./peers/timing.ts";
import type { Plan } from "./plan.ts";
import { type Measured, measured } from "./results/samples.ts";
import { type DecoderName, metrics } from "./subjects.ts";

/** Measures a model in one of the runtimes for Node. */
export async function measureModel(
  context: BenchContext,
  plan: Plan,
  script: "nativeModel" | "tfjsModel",
  precision: "int8" | "fp32",
): Promise<Measured[]> {
  const file = precision === "int8" ? context.model.int8File : context.model.fp32File;
  const argument = { file, size: context.preprocessing.crop, times: plan.runs };
  const answer: ModelAnswer = await runPeer(script, argument);
  const { coldMs, runMs, peakProcessBytes, logitError } = answer;
  return [
    measured(metrics.cold, "ms", [coldMs]),
    measured(metrics.run, "ms", runMs),
    measured(metrics.peakProcess, "bytes", [peakProcessBytes]),
    measured(metrics.logitError, "count", logitError === undefined ? [] : [logitError]),
  ];
}

/** Measures a JPEG decoder. */
export async function measureDecoder(
  context: BenchContext,
  plan: Plan,
  decoder: DecoderName,
): Promise<Measured[]> {
  const { preprocessing } = context;
  const photos = plan.decodePhotos.map((name) => context.photo(name));
  const answer = await runPeer("decode", { decoder, preprocessing, photos, times: plan.decodes });
  return [
    ...answer.photos.flatMap(({ name, pixelsMs, tensorMs }) => [
      measured(metrics.decode(name), "ms", pixelsMs),
      measured(metrics.tensor(name), "ms", tensorMs),
    ]),
    measured(metrics.peakProcess, "bytes", [answer.peakProcessBytes]),
  ];
}

/** Compares the logits of the shards with those of the whole graph, bit for bit. */
export function compareLogits(context: BenchContext): Promise<{ compared: number; different: number }> {
  return runPeer("exact", { packFolder: context.model.pack.folder, file: context.model.int8File });
}

/** Compares the tensors of all decoders. Runs once, apart from the timed rounds, since it needs jpeg-js on 12 megapixels. */
export function compareDecoders(context: BenchContext): Promise<Record<string, number>> {
  const { file } = context.photo("12mp");
  return runPeer("decodeAgreement", { file, preprocessing: context.preprocessing });
}
