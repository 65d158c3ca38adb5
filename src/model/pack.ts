/** Reads a pack from the bucket: its live version, its manifest and labels, its shards. Checks the hash of each file. */
import type { z } from "zod";
import type { JsonLimits } from "../bytes/bounded-json.ts";
import { maxModelJsonBytes } from "../limits.ts";
import type { PackSource } from "../storage/bucket-source.ts";
import { FileError, parseFile } from "./json-file.ts";
import {
  currentSchema,
  type Label,
  labelsSchema,
  type Manifest,
  manifestSchema,
  manifestVersion,
  type Shard,
} from "./manifest.ts";
import { modelUnavailable } from "./unavailable.ts";

/** Six brackets, commas and colons per label: room for ImageNet-21k. A manifest of 64 shards has fewer than a thousand. */
const jsonLimits: JsonLimits = { maxDepth: 32, maxStructure: 150_000 };

/** A pack without its weights: enough to name the model, to check top_k and to look in the cache. */
export interface Pack {
  readonly manifest: Manifest;
  readonly labels: readonly Label[];
}

/**
 * Returns the live version of the pack `name`.
 * @throws ClassifierError model_unavailable
 */
export async function readLiveVersion(source: PackSource, name: string): Promise<string> {
  const key = `${name}/current.json`;
  const current = parse(key, await source.read(key, maxModelJsonBytes), currentSchema);
  if (current.name === name) return current.version;
  throw modelUnavailable(`${key} names the model ${current.name}; expected ${name}; push the pack again`);
}

/**
 * Returns manifest and labels of one version, checked against their hashes.
 * @throws ClassifierError model_unavailable
 */
export async function readPack(source: PackSource, name: string, version: string): Promise<Pack> {
  const key = `${name}/${version}/manifest.json`;
  const manifest = parse(key, await source.read(key, maxModelJsonBytes), manifestSchema);
  const actual = await manifestVersion(manifest);
  if (manifest.name !== name || manifest.version !== version || actual !== version) {
    throw modelUnavailable(
      `${key} says it is ${manifest.name}/${manifest.version} and hashes to ${actual}; expected ${name}/${version}; push the pack again`,
    );
  }
  const labelsKey = `${name}/${version}/${manifest.labels.file}`;
  const labels = parse(labelsKey, await source.readChecked(labelsKey, manifest.labels), labelsSchema);
  if (labels.length !== manifest.classes) {
    throw modelUnavailable(`${labelsKey} has ${labels.length} labels; expected ${manifest.classes}`);
  }
  return { manifest, labels };
}

/**
 * Returns the bytes of one shard, checked against their hash.
 * @throws ClassifierError model_unavailable
 */
export function readShard(source: PackSource, manifest: Manifest, shard: Shard): Promise<Uint8Array> {
  return source.readChecked(`${manifest.name}/${manifest.version}/${shard.file}`, shard);
}

function parse<T>(key: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return parseFile(key, bytes, schema, jsonLimits);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw modelUnavailable(`${error.message}; pack and push again`, error.cause);
  }
}
