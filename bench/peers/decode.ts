/** Measures and compares JPEG decoders. */
import { readFile } from "node:fs/promises";
import type { Preprocessing } from "../../src/model/manifest.ts";
import { type DecoderName, decoderNames } from "../subjects.ts";
import { createDecoder } from "./decoders.ts";
import { peakProcessBytes, timeEach } from "./timing.ts";

const readJpeg = async (file: string) => new Uint8Array(await readFile(file));

/** Times one decoder on some photos: milliseconds to all pixels, and to the tensor. */
export async function decode(argument: {
  readonly decoder: DecoderName;
  readonly preprocessing: Preprocessing;
  readonly photos: readonly { readonly name: string; readonly file: string }[];
  readonly times: number;
}) {
  const { photos, times } = argument;
  const { pixels, tensor } = await createDecoder(argument.decoder, argument.preprocessing);
  const answers: { name: string; pixelsMs: number[]; tensorMs: number[] }[] = [];
  for (const { name, file } of photos) {
    const jpeg = await readJpeg(file);
    const pixelsMs = pixels ? await timeEach(() => pixels(jpeg), times) : [];
    answers.push({ name, pixelsMs, tensorMs: await timeEach(() => tensor(jpeg), times) });
  }
  return { photos: answers, peakProcessBytes: await peakProcessBytes() };
}

/** Returns the mean difference of each decoder's tensor from jpeg-js's, in levels of 0 to 255. */
export async function decodeAgreement({
  file,
  preprocessing,
}: {
  file: string;
  preprocessing: Preprocessing;
}) {
  const jpeg = await readJpeg(file);
  const tensorOf = async (name: DecoderName) => (await createDecoder(name, preprocessing)).tensor(jpeg);
  const reference = await tensorOf("jpeg-js");
  const differences: Record<string, number> = {};
  for (const name of decoderNames) {
    const tensor = await tensorOf(name);
    let sum = 0;
    for (const [i, value] of tensor.entries()) {
      const channel = Math.floor((3 * i) / tensor.length);
      sum += Math.abs(value - reference[i]!) * 255 * preprocessing.std[channel]!;
    }
    differences[name] = sum / tensor.length;
  }
  return differences;
}
