/** The subjects that run in Node, each in a process of its own. */
import { runPeer } from "./child.ts";
import type { BenchContext } from "./context.ts";
import type { DecodeAnswer, DecodeArgument } from "./peers/decode.ts";
import type { ModelPeerAnswer } from "./peers/peer-io.ts";
import type { Plan } from "./plan.ts";
import type { Measured } from "./results/samples.ts";
import { type DecoderName, metrics } from "./subjects.ts";

export async function measureModel(
  context: BenchContext,
  plan: Plan,
  script: "native-model" | "tfjs-model",
  precision: "int8" | "fp32",
): Promise<Measured[]> {
  const file = precision === "int8" ? context.model.int8File : context.model.fp32File;
  const argument = { file, size: context.preprocessing.crop, times: plan.runs };
  const answer = await runPeer<ModelPeerAnswer>(script, argument);
  return [
    { metric: metrics.cold, unit: "ms", values: [answer.coldMs] },
    { metric: metrics.run, unit: "ms", values: answer.runMs },
    { metric: metrics.peakProcess, unit: "bytes", values: [answer.peakProcessBytes] },
    {
      metric: metrics.logitError,
      unit: "count",
      values: answer.logitError === undefined ? [] : [answer.logitError],
    },
  ];
}

export async function measureDecoder(
  context: BenchContext,
  plan: Plan,
  decoder: DecoderName,
): Promise<Measured[]> {
  const photos = plan.decodePhotos.map((name) => context.photo(name));
  const argument: DecodeArgument = {
    decoder,
    preprocessing: context.preprocessing,
    photos,
    times: plan.decodes,
  };
  const answer = await runPeer<DecodeAnswer>("decode", argument);
  return [
    ...answer.photos.flatMap(({ name, pixelsMs, tensorMs }): Measured[] => [
      { metric: metrics.decode(name), unit: "ms", values: pixelsMs },
      { metric: metrics.tensor(name), unit: "ms", values: tensorMs },
    ]),
    { metric: metrics.peakProcess, unit: "bytes", values: [answer.peakProcessBytes] },
  ];
}

export function compareLogits(context: BenchContext): Promise<{ compared: number; different: number }> {
  return runPeer("exact", { packFolder: context.model.pack.folder, file: context.model.int8File });
}

/** Needs jpeg-js on 12 megapixels, so it is done once, apart from what is timed. */
export function compareDecoders(context: BenchContext): Promise<Record<string, number>> {
  const { file } = context.photo("12mp");
  return runPeer("decode-agreement", { file, preprocessing: context.preprocessing });
}
