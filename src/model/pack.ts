/** Reads a pack from the bucket: its live version, its manifest and labels, its shards. Checks each file's hash. */
import type { z } from "zod";
import { JsonError, type JsonLimits, parseJson } from "../bytes/bounded-json.ts";
import { maxModelJsonBytes } from "../limits.ts";
import type { PackSource } from "../storage/bucket-source.ts";
import {
  currentSchema,
  type Label,
  labelsSchema,
  type Manifest,
  manifestFormat,
  manifestSchema,
  manifestVersion,
  type Shard,
} from "./manifest.ts";
import { modelUnavailable } from "./unavailable.ts";

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
  const current = parse(key, currentSchema, parseFile(key, await source.read(key, maxModelJsonBytes)));
  if (current.name !== name)
    throw modelUnavailable(`${key} names the model ${current.name}; expected ${name}`);
  return current.version;
}

/**
 * Returns manifest and labels of one version, checked against their hashes.
 * @throws ClassifierError model_unavailable
 */
export async function readPack(source: PackSource, name: string, version: string): Promise<Pack> {
  const key = `${name}/${version}/manifest.json`;
  const json = parseFile(key, await source.read(key, maxModelJsonBytes));
  checkFormat(key, json);
  const manifest = parse(key, manifestSchema, json);
  const actual = await versionOf(key, json as object);
  if (manifest.name !== name || manifest.version !== version || actual !== version) {
    throw modelUnavailable(
      `${key} says it is ${manifest.name}/${manifest.version} and hashes to ${actual}; expected ${name}/${version}; push the pack again`,
    );
  }
  const labelsKey = `${name}/${version}/${manifest.labels.file}`;
  const labelsBytes = await source.readChecked(labelsKey, manifest.labels);
  const labels = parse(labelsKey, labelsSchema, parseFile(labelsKey, labelsBytes));
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

async function versionOf(key: string, json: object): Promise<string> {
  try {
    return await manifestVersion(json);
  } catch (cause) {
    // What quantisation holds is free, its depth too: the stack has an end.
    throw modelUnavailable(`${key} cannot be hashed; pack and push again`, cause);
  }
}

function checkFormat(key: string, json: unknown): void {
  const format = json !== null && typeof json === "object" && "format" in json ? json.format : undefined;
  if (format === manifestFormat) return;
  throw modelUnavailable(
    `${key} has format ${JSON.stringify(format)?.slice(0, 40)}; this Worker reads format ${manifestFormat}; deploy the Worker that matches the pack, or pack and push again`,
  );
}

/** Six brackets, commas and colons a label: room for ImageNet-21k. A manifest of 64 shards has fewer than a thousand. */
const jsonLimits: JsonLimits = { maxDepth: 32, maxStructure: 150_000 };

function parseFile(key: string, bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes, jsonLimits);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw modelUnavailable(`${key} ${cause.message}; push the pack again`, cause);
  }
}

function parse<T>(key: string, schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") || "the document";
  throw modelUnavailable(`${key} is not valid: ${where}: ${issue?.message}; pack and push again`);
}
