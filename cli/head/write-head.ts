/** Makes a head file: matrices as base64, the version from the content. */
import { bytesToBase64 } from "../../src/bytes/base64.ts";
import { type HeadFile, headFormat, headVersion, parseHead } from "../../src/head/head.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import { FileError } from "../../src/model/json-file.ts";
import { canonicalJson } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Trained } from "./train.ts";

/** Fields of the head file that training does not compute. */
export type HeadFacts = Pick<HeadFile, "name" | "backbone" | "method" | "feature_size" | "training">;

/**
 * Makes the file; equal arguments give equal bytes.
 * @throws CommandError when the Worker would not accept the file.
 */
export async function headFile(
  { weights, bias, normalize, temperature, unknown }: Trained,
  classes: readonly string[],
  facts: HeadFacts,
): Promise<{ file: HeadFile; bytes: Uint8Array }> {
  const content = {
    ...facts,
    format: headFormat,
    labels: classes.map((label) => ({ id: label, label })),
    normalize,
    weights: float32Base64(weights),
    bias: Array.from(bias),
    temperature,
    unknown: unknown ? { centroids: float32Base64(unknown.centroids), threshold: unknown.threshold } : null,
  };
  const file = { ...content, version: await headVersion(content) };
  const bytes = new TextEncoder().encode(`${canonicalJson(file)}\n`);
  if (bytes.length > maxHeadBytes) {
    throw new CommandError(
      `the head has ${bytes.length} bytes; the Worker accepts at most ${maxHeadBytes}: train with fewer classes, or with --no-unknown`,
    );
  }
  const { file: accepted } = await parseHead(bytes).catch((cause: unknown) => {
    if (!(cause instanceof FileError)) throw cause;
    throw new CommandError(`the Worker would refuse this head: ${cause.message}`, { cause });
  });
  return { file: accepted, bytes };
}

/** Values as little-endian float32 in base64, on any machine. */
export function float32Base64(values: Float64Array | readonly number[]): string {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, value] of values.entries()) view.setFloat32(i * 4, value, true);
  return bytesToBase64(new Uint8Array(view.buffer));
}
