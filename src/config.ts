/** Validates the bindings and variables of the Worker, once per isolate. */
import { z } from "zod";
import type { ResultNamespace } from "./cache/byte-stores.ts";
import type { ImageConverter } from "./classifier/convert.ts";
import { defaultModelName } from "./default-model.ts";
import { ClassifierError } from "./errors.ts";
import type { ListableBucket } from "./head/head-store.ts";
import {
  cacheTtlSeconds,
  defaultMaxImageBytes,
  defaultModelRefreshMs,
  maxImageBytesCeiling,
} from "./limits.ts";
import { defaultEngine, engineNames } from "./model/engine.ts";
import { packNameSchema } from "./model/manifest.ts";
import type { PictureBucket, PictureDatabase, PictureQueue } from "./pictures/bindings.ts";
import type { QuarantineRules } from "./pictures/quarantine.ts";
import { type AllowedHosts, parseAllowedHosts, whyNotAllowed } from "./remote/allowed-hosts.ts";
import { parseRenditions } from "./remote/renditions.ts";
import type { ObjectBucket } from "./storage/bucket-source.ts";

/** Characters of an API key. 16 of 64 possible characters are 96 bits, too many to guess. */
const minApiKeyChars = 16;
/** Shortest lifetime that KV accepts. */
const minKvTtlSeconds = 60;

/** Cloudflare's rate-limit binding. */
export interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** A Workers Analytics Engine dataset. */
export interface AnalyticsDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/** The bindings and variables of wrangler.toml. */
export interface Env {
  /** R2 bucket with the packs and the heads. */
  readonly MODELS: ObjectBucket & ListableBucket;
  /** Optional Images binding: converts AVIF and HEIC. */
  readonly IMAGES?: ImageConverter;
  /** Name of the pack to serve. */
  readonly MODEL_NAME?: string;
  /** What runs the model: `simd` or `onnxruntime`. */
  readonly ENGINE?: string;
  /** Maximum bytes of an image. */
  readonly MAX_IMAGE_BYTES?: string | number;
  /** Seconds within which a version pushed to the bucket goes live. */
  readonly MODEL_REFRESH_SECONDS?: string | number;
  /** Hosts that images may be fetched from, comma-separated. */
  readonly ALLOWED_IMAGE_HOSTS?: string;
  /** Templates for small renditions, by host: JSON. */
  readonly IMAGE_RENDITIONS?: unknown;
  /** Base URL of the images that /cdn/ serves. */
  readonly IMAGE_ORIGIN?: string;
  /** Head that /cdn/ uses instead of the model's own classes. */
  readonly CDN_HEAD?: string;
  /** Cache-Control of GET /v1/classify. */
  readonly CLASSIFY_CACHE_CONTROL?: string;
  /** Secret: API keys, comma-separated. Without it, everyone may call. */
  readonly API_KEYS?: string;
  /** Origins whose pages may call, comma-separated, or `*`. Without it, no other site's pages may call. */
  readonly CORS_ORIGINS?: string;
  /** Optional rate-limit binding: counts requests by key or address. */
  readonly RATE_LIMITER?: RateLimiter;
  /** Optional Analytics Engine dataset: one data point per request. */
  readonly ANALYTICS?: AnalyticsDataset;
  /** Optional KV namespace: results that all locations share. */
  readonly RESULTS?: ResultNamespace;
  /** Host of this Worker, for keys of the Cache API. */
  readonly CACHE_HOST?: string;
  /** Seconds for which RESULTS keeps a result. */
  readonly RESULTS_TTL_SECONDS?: string | number;
  /** Optional R2 bucket whose pictures are labelled. It needs PICTURES_DB and PICTURES_QUEUE as well. */
  readonly PICTURES?: PictureBucket;
  /** D1 database with the labels. */
  readonly PICTURES_DB?: PictureDatabase;
  /** Producer of the queue that this Worker consumes. */
  readonly PICTURES_QUEUE?: PictureQueue;
  /** Head that labels the pictures instead of the model's own classes. */
  readonly PICTURES_HEAD?: string;
  /** Whether the labels are kept with the features of the pictures: `true` or `false`. */
  readonly KEEP_FEATURES?: string;
  /** Prefix of the keys to which blocked pictures move. Without it, no object moves. */
  readonly QUARANTINE?: string;
  /** Labels of blocked pictures, comma-separated. */
  readonly QUARANTINE_LABELS?: string;
  /** What happens to objects that cannot be classified: `quarantine` or `keep`. */
  readonly QUARANTINE_UNREADABLE?: string;
}

/** Where /cdn/ gets its images. */
export interface ImageOrigin {
  readonly url: URL;
  /** The host of `url` alone. */
  readonly hosts: AllowedHosts;
}

/** The validated variables. */
export type Config = Readonly<ReturnType<typeof readConfig>>;

/** Accepts an integer as a number (wrangler.toml) or as a string (the dashboard). */
function integer(min: number, max: number, fallback: number) {
  const error = `expected an integer from ${min} to ${max}`;
  const digits = z.string().regex(/^\d{1,9}$/);
  return z
    .union([z.int(), digits.transform(Number)], { error })
    .refine((value) => value >= min && value <= max, { error })
    .default(fallback);
}

/** Accepts what `parse` accepts. The message of its error becomes part of the issue. */
function parsed<T>(parse: (value: string) => T, expected: string, fallback: string) {
  return z
    .unknown()
    .default(fallback)
    .transform((value, context) => {
      try {
        return parse(typeof value === "string" ? value : JSON.stringify(value));
      } catch (error) {
        const message = `${expected} (${(error as Error).message})`;
        context.addIssue({ code: "custom", message });
        return z.NEVER;
      }
    });
}

/** Accepts https, and http for localhost, like URLs of images. */
function parseOrigin(value: string): ImageOrigin | undefined {
  if (value === "") return undefined;
  const url = new URL(value);
  const hosts = parseAllowedHosts(url.host);
  const refusal = whyNotAllowed(url, hosts);
  if (refusal !== undefined) throw new Error(refusal);
  if (url.search !== "" || url.hash !== "") throw new Error("it has a query or a fragment");
  return { url, hosts };
}

/** Accepts a comma-separated list that passes `isValid`. */
function list(error: string, isValid: (items: string[]) => boolean) {
  const split = (text: string) => text.split(",").map((item) => item.trim());
  return z.string({ error }).transform(split).refine(isValid, { error }).default([]);
}

/** An API key: long enough, and of characters that an Authorization header can carry (b64token of RFC 6750). */
function isApiKey(key: string): boolean {
  return key.length >= minApiKeyChars && /^[A-Za-z0-9._~+/-]+=*$/.test(key);
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

const configSchema = z.object({
  MODEL_NAME: packNameSchema.default(defaultModelName),
  ENGINE: z.enum(engineNames, { error: `expected ${engineNames.join(" or ")}` }).default(defaultEngine),
  MAX_IMAGE_BYTES: integer(1, maxImageBytesCeiling, defaultMaxImageBytes),
  MODEL_REFRESH_SECONDS: integer(1, 86_400, defaultModelRefreshMs / 1000),
  ALLOWED_IMAGE_HOSTS: parsed(
    parseAllowedHosts,
    "a comma-separated list such as images.example.com, *.example.org, localhost:9000",
    "",
  ),
  IMAGE_RENDITIONS: parsed(
    parseRenditions,
    'JSON such as {"images.example.com": "?w=512&fm=jpg"}: a host, and a template or "cf"',
    "{}",
  ),
  IMAGE_ORIGIN: parsed(parseOrigin, "an https address such as https://images.example.com/photos", ""),
  CDN_HEAD: packNameSchema.optional(),
  CLASSIFY_CACHE_CONTROL: z
    .string()
    .regex(/^[a-z][a-z0-9=, "-]{0,199}$/i, { error: "expected directives such as public, max-age=3600" })
    .optional(),
  // A variable that is set but empty is an error, because it must not open the endpoint to everyone.
  API_KEYS: list(
    `expected API keys separated by commas, each of at least ${minApiKeyChars} characters of A-Z a-z 0-9 . _ ~ + / - (set with npx wrangler secret put API_KEYS)`,
    (keys) => keys.every(isApiKey),
  ),
  CORS_ORIGINS: list(
    "expected * or origins separated by commas, each as browsers send it, such as https://example.com: no path, no trailing slash",
    (items) => items.filter(Boolean).join() === "*" || items.filter(Boolean).every(isOrigin),
  ).transform((items) => items.filter(Boolean)),
  CACHE_HOST: z
    .string()
    .regex(/^[a-z\d-]+(\.[a-z\d-]+)+$/, {
      error: "expected a host name such as classify.example.com, without scheme, port and path",
    })
    .optional(),
  RESULTS_TTL_SECONDS: integer(minKvTtlSeconds, 365 * 86_400, cacheTtlSeconds),
  PICTURES_HEAD: packNameSchema.optional(),
  KEEP_FEATURES: z.enum(["true", "false"], { error: 'expected "true" or "false"' }).default("false"),
  QUARANTINE: z
    .string()
    .regex(/^[^/].{0,198}\/$/u, {
      error: 'expected a prefix such as "quarantine/": up to 200 characters, the last one a slash',
    })
    .optional(),
  QUARANTINE_LABELS: list("expected labels separated by commas, such as blocked", (labels) =>
    labels.every(Boolean),
  ),
  QUARANTINE_UNREADABLE: z
    .enum(["quarantine", "keep"], { error: "expected quarantine or keep" })
    .default("quarantine"),
});

/** The method by which readConfig tells each optional binding from a variable of the same name. */
export const optionalBindings = [
  {
    name: "RATE_LIMITER",
    method: "limit",
    expected: "a rate-limit binding ([[ratelimits]] in wrangler.toml)",
  },
  {
    name: "ANALYTICS",
    method: "writeDataPoint",
    expected: "an Analytics Engine dataset ([[analytics_engine_datasets]] in wrangler.toml)",
  },
  { name: "RESULTS", method: "get", expected: "a KV namespace ([[kv_namespaces]] in wrangler.toml)" },
] as const;

/** The bindings that label a bucket, which are only useful together. */
export const pictureBindings = [
  { name: "PICTURES", method: "head", expected: "an R2 bucket ([[r2_buckets]] in wrangler.toml)" },
  { name: "PICTURES_DB", method: "prepare", expected: "a D1 database ([[d1_databases]] in wrangler.toml)" },
  {
    name: "PICTURES_QUEUE",
    method: "sendBatch",
    expected: "the producer of a queue ([[queues.producers]] in wrangler.toml)",
  },
] as const;

/** An invalid variable and the expected value. Never contains the value, which may be a secret. */
export interface VariableFault {
  readonly variable: string;
  readonly expected: string;
}

/** The names of all variables that the Worker reads. */
export const variableNames: readonly string[] = Object.keys(configSchema.shape);

/** Returns every invalid variable, for checks before a deploy. */
export function variableFaults(variables: Readonly<Record<string, unknown>>): VariableFault[] {
  return faultsOf(configSchema.safeParse({ ...variables }).error);
}

function faultsOf(error: z.ZodError | undefined): VariableFault[] {
  return (error?.issues ?? []).map((issue) => ({
    variable: String(issue.path[0]),
    expected: issue.message.replace(/^expected /, ""),
  }));
}

/**
 * Validates `env`.
 * @throws ClassifierError misconfigured, for the first invalid variable or binding
 */
export function readConfig(env: Env) {
  requireMethod(env, "MODELS", "get", "an R2 bucket binding ([[r2_buckets]] in wrangler.toml)");
  for (const { name, method, expected } of optionalBindings) {
    if (env[name] !== undefined) requireMethod(env, name, method, expected);
  }
  if (pictureBindings.some(({ name }) => env[name] !== undefined)) {
    for (const { name, method, expected } of pictureBindings) requireMethod(env, name, method, expected);
  }
  // The schema drops unknown names, such as those of bindings.
  const { data, error } = configSchema.safeParse({ ...env });
  if (!data) throw misconfigured(faultsOf(error)[0]!);
  return {
    modelName: data.MODEL_NAME,
    engine: data.ENGINE,
    maxImageBytes: data.MAX_IMAGE_BYTES,
    modelRefreshMs: data.MODEL_REFRESH_SECONDS * 1000,
    /** Undefined: one hour, public, or private for a caller with an API key. */
    classifyCacheControl: data.CLASSIFY_CACHE_CONTROL,
    imageOrigin: data.IMAGE_ORIGIN,
    /** Undefined: the model's own classes. */
    cdnHead: data.CDN_HEAD,
    allowedImageHosts: data.ALLOWED_IMAGE_HOSTS,
    imageRenditions: data.IMAGE_RENDITIONS,
    /** Empty: everyone may call. */
    apiKeys: data.API_KEYS,
    /** Empty: no other site's pages may call. */
    corsOrigins: data.CORS_ORIGINS,
    resultsTtlSeconds: data.RESULTS_TTL_SECONDS,
    /** Undefined: the host of the requests. */
    cacheHost: data.CACHE_HOST,
    /** Undefined: the model's own classes. */
    picturesHead: data.PICTURES_HEAD,
    keepFeatures: data.KEEP_FEATURES === "true",
    quarantine: quarantineOf(data),
  };
}

function quarantineOf(data: z.infer<typeof configSchema>): QuarantineRules | undefined {
  if (data.QUARANTINE === undefined) return undefined;
  const labels = data.QUARANTINE_LABELS.length === 0 ? ["blocked"] : data.QUARANTINE_LABELS;
  return {
    prefix: data.QUARANTINE,
    labels: labels.map((label) => label.toLowerCase()),
    unreadable: data.QUARANTINE_UNREADABLE === "quarantine",
  };
}

/** @throws ClassifierError misconfigured, if a binding lacks its method */
function requireMethod(env: Env, variable: keyof Env, method: string, expected: string): void {
  const binding: unknown = env[variable];
  if (typeof Object(binding)[method] !== "function") throw misconfigured({ variable, expected });
}

function misconfigured(fault: VariableFault): ClassifierError {
  return new ClassifierError({ code: "misconfigured", ...fault });
}
