/**
 * The cached value: logits and features of one image, so that every top_k, activation function, embedding and head is a
 * hit. Also its encoding for tiers that store bytes.
 *
 * Layout, little-endian: 'ERC1' (4 bytes), the first 8 bytes of the SHA-256 of everything after them, then width, height,
 * number of logits and number of features (u32 each), then the logits and the features (float32).
 */
import { sha256 } from "../bytes/sha256.ts";

/** Scores of one image by one version of the model. */
export interface CachedResult {
  /** Pixels of the image as displayed. */
  readonly width: number;
  readonly height: number;
  /** [classes] */
  readonly logits: Float32Array;
  /** [feature_size] */
  readonly features: Float32Array;
}

const magic = [0x45, 0x52, 0x43, 0x31];
const checksumStart = magic.length;
const contentStart = checksumStart + 8;
const valuesStart = contentStart + 16;
/** More values than any model has: a larger stored count is garbage. */
const maxValues = 1 << 20;

/** Key of a result. The model version covers weights, labels and preprocessing. */
export function cacheKey(imageSha256: string, modelName: string, modelVersion: string): string {
  return `${modelName}/${modelVersion}/${imageSha256}`;
}

/** Bytes of an encoded result, and about as many in memory. */
export function resultBytes(result: CachedResult): number {
  return valuesStart + 4 * (result.logits.length + result.features.length);
}

/** Encodes a result in the layout above. */
export async function encodeResult(result: CachedResult): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, logits, features } = result;
  const bytes = new Uint8Array(resultBytes(result));
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  for (const [i, value] of [width, height, logits.length, features.length].entries()) {
    view.setUint32(contentStart + 4 * i, value, true);
  }
  for (const [i, value] of [...logits, ...features].entries()) {
    view.setFloat32(valuesStart + 4 * i, value, true);
  }
  bytes.set(await checksum(bytes), checksumStart);
  return bytes;
}

/** Decodes a result. Returns undefined for bytes that are not one, because a cache may return anything. */
export async function decodeResult(bytes: Uint8Array): Promise<CachedResult | undefined> {
  if (bytes.length < valuesStart) return undefined;
  const header = [...magic, ...(await checksum(bytes))];
  if (header.some((byte, i) => byte !== bytes[i])) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = (i: number) => view.getUint32(contentStart + 4 * i, true);
  const [logitCount, featureCount] = [count(2), count(3)];
  if (logitCount > maxValues || featureCount > maxValues) return undefined;
  if (bytes.length !== valuesStart + 4 * (logitCount + featureCount)) return undefined;
  const floats = (start: number, length: number) =>
    Float32Array.from({ length }, (_, i) => view.getFloat32(valuesStart + 4 * (start + i), true));
  return {
    width: count(0),
    height: count(1),
    logits: floats(0, logitCount),
    features: floats(logitCount, featureCount),
  };
}

async function checksum(bytes: Uint8Array): Promise<Uint8Array> {
  return (await sha256(bytes.subarray(contentStart))).subarray(0, contentStart - checksumStart);
}
