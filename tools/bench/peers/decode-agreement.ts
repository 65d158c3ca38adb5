/** That all decoders give the same tensor: the mean difference of each from jpeg-js's, in levels of 0 to 255. */
import { readFile } from "node:fs/promises";
import type { Preprocessing } from "../../../src/model/manifest.ts";
import { decoderNames } from "../subjects.ts";
import { createDecoder } from "./decoders.ts";
import { peerAnswer, peerArgument } from "./peer-io.ts";

const { file, preprocessing } = peerArgument<{ file: string; preprocessing: Preprocessing }>();
const jpeg = new Uint8Array(await readFile(file));
const reference = await (await createDecoder("jpeg-js", preprocessing)).tensor(jpeg);
const pixelsPerChannel = reference.length / 3;
const differences: Record<string, number> = {};
for (const name of decoderNames) {
  const tensor = await (await createDecoder(name, preprocessing)).tensor(jpeg);
  let sum = 0;
  for (const [i, value] of tensor.entries()) {
    sum += Math.abs(value - reference[i]!) * 255 * preprocessing.std[Math.floor(i / pixelsPerChannel)]!;
  }
  differences[name] = sum / tensor.length;
}
peerAnswer(differences);
