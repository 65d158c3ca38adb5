/** One decoder on some photos: milliseconds to all pixels, and to the tensor. */
import { readFile } from "node:fs/promises";
import type { Preprocessing } from "../../../src/model/manifest.ts";
import type { DecoderName } from "../subjects.ts";
import { createDecoder } from "./decoders.ts";
import { peakProcessBytes, peerAnswer, peerArgument, timeEach } from "./peer-io.ts";

export interface DecodeArgument {
  readonly decoder: DecoderName;
  readonly preprocessing: Preprocessing;
  readonly photos: readonly { readonly name: string; readonly file: string }[];
  readonly times: number;
}

export interface DecodeAnswer {
  readonly peakProcessBytes: number;
  readonly photos: readonly {
    readonly name: string;
    readonly pixelsMs: number[];
    readonly tensorMs: number[];
  }[];
}

const { decoder: name, preprocessing, photos, times } = peerArgument<DecodeArgument>();
const decoder = await createDecoder(name, preprocessing);
const { pixels, tensor } = decoder;
const answers: DecodeAnswer["photos"][number][] = [];
for (const photo of photos) {
  const jpeg = new Uint8Array(await readFile(photo.file));
  answers.push({
    name: photo.name,
    pixelsMs: pixels ? await timeEach(() => pixels(jpeg), times) : [],
    tensorMs: await timeEach(() => tensor(jpeg), times),
  });
}
peerAnswer({
  peakProcessBytes: await peakProcessBytes(),
  photos: answers,
} satisfies DecodeAnswer);
