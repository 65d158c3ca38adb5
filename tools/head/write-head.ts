/** From what was trained to a head file: matrices as base64, the version from its content. */
import { bytesToBase64 } from "../../src/base64.ts";
import { type HeadFile, HeadFormatError, headFormat, headVersion, parseHead } from "../../src/head/head.ts";
import { maxHeadBytes } from "../../src/limits.ts";
import { canonicalJson } from "../../src/model/manifest.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Linear } from "./logistic.ts";

export interface HeadContent extends Linear {
  readonly name: string;
  readonly backbone: { readonly name: string; readonly version: string };
  readonly method: HeadFile["method"];
  readonly classes: readonly string[];
  readonly featureSize: number;
  readonly normalize: HeadFile["normalize"];
  readonly temperature: number;
  readonly unknown: { readonly centroids: Float64Array; readonly threshold: number } | undefined;
  readonly training: Readonly<Record<string, unknown>>;
}

/** Equal content gives equal bytes. @throws CommandError where the Worker would not take it */
export async function headBytes(head: HeadContent): Promise<Uint8Array> {
  const { unknown } = head;
  const content = {
    format: headFormat,
    name: head.name,
    backbone: head.backbone,
    method: head.method,
    labels: head.classes.map((label) => ({ id: label, label })),
    feature_size: head.featureSize,
    normalize: head.normalize,
    weights: float32Base64(head.weights),
    bias: Array.from(head.bias),
    temperature: head.temperature,
    unknown: unknown ? { centroids: float32Base64(unknown.centroids), threshold: unknown.threshold } : null,
    training: head.training,
  };
  const file = { ...content, version: await headVersion(content) };
  const bytes = new TextEncoder().encode(`${canonicalJson(file)}\n`);
  if (bytes.length > maxHeadBytes) {
    throw new CommandError(
      `the head has ${bytes.length} bytes; the Worker takes at most ${maxHeadBytes}: train with fewer classes, or with --no-unknown`,
    );
  }
  await parseHead(bytes).catch((cause: unknown) => {
    if (!(cause instanceof HeadFormatError)) throw cause;
    throw new CommandError(`the Worker would refuse this head: ${cause.message}`, { cause });
  });
  return bytes;
}

/** Little-endian, whatever this machine is. */
function float32Base64(values: Float64Array): string {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, value] of values.entries()) view.setFloat32(i * 4, value, true);
  return bytesToBase64(new Uint8Array(view.buffer));
}
