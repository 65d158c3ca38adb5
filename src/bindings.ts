/** The optional bindings, as far as they are used. Imports nothing. */

/** Cloudflare's rate-limit binding. */
export interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** A Workers Analytics Engine dataset. */
export interface AnalyticsDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/** A Workers KV namespace. */
export interface ResultNamespace {
  get(key: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  put(key: string, value: Uint8Array, options: { expirationTtl: number }): Promise<void>;
}

/** What each optional binding must have, to be told apart from a variable of its name. */
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
