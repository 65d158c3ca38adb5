import { describe, expect, test } from "vitest";
import { type Env, readConfig } from "../src/config.ts";
import { defaultModelName } from "../src/default-model.ts";
import type { ClassifierError } from "../src/errors.ts";
import { defaultMaxImageBytes, maxImageBytesCeiling } from "../src/limits.ts";

const MODELS = { get: async () => null } as unknown as Env["MODELS"];

function fault(env: Record<string, unknown>): unknown {
  try {
    readConfig(env as unknown as Env);
  } catch (error) {
    return (error as ClassifierError).reason;
  }
  return expect.unreachable("readConfig should throw");
}

describe("readConfig", () => {
  test("needs only the bucket", () => {
    expect(readConfig({ MODELS })).toEqual({
      modelName: defaultModelName,
      engine: "simd",
      maxImageBytes: defaultMaxImageBytes,
      modelRefreshMs: 60_000,
      classifyCacheControl: undefined,
      imageOrigin: undefined,
      cdnHead: undefined,
      allowedImageHosts: [],
      imageRenditions: new Map(),
      apiKeys: [],
      corsOrigins: [],
      resultsTtlSeconds: 30 * 24 * 3600,
      cacheHost: undefined,
      picturesHead: undefined,
      keepFeatures: false,
      quarantine: undefined,
    });
  });

  test("accepts numbers from wrangler.toml and strings from the dashboard", () => {
    expect(readConfig({ MODELS, MAX_IMAGE_BYTES: 1000 }).maxImageBytes).toBe(1000);
    expect(readConfig({ MODELS, MAX_IMAGE_BYTES: "1000" }).maxImageBytes).toBe(1000);
  });

  test("accepts the two engines, and refuses others by naming both", () => {
    expect(readConfig({ MODELS, ENGINE: "onnxruntime" }).engine).toBe("onnxruntime");
    for (const ENGINE of ["gpu", "SIMD", ""])
      expect(fault({ MODELS, ENGINE })).toMatchObject({
        ...{ code: "misconfigured", variable: "ENGINE" },
        expected: "simd or onnxruntime",
      });
  });

  test("names a missing binding", () => {
    expect(fault({})).toMatchObject({ code: "misconfigured", variable: "MODELS" });
  });

  test("needs all bindings of a labelled bucket, or none", () => {
    const bindings = {
      PICTURES: { head: () => {} },
      PICTURES_DB: { prepare: () => {} },
      PICTURES_QUEUE: { sendBatch: () => {} },
    };
    expect(readConfig({ MODELS, ...bindings } as unknown as Env).keepFeatures).toBe(false);
    for (const variable of Object.keys(bindings)) {
      const others = { ...bindings, [variable]: undefined };
      expect(fault({ MODELS, ...others })).toMatchObject({ code: "misconfigured", variable });
    }
  });

  test("reads the rules of quarantine, and refuses a prefix without a slash at its end", () => {
    expect(readConfig({ MODELS, QUARANTINE: "held/" }).quarantine).toEqual({
      ...{ prefix: "held/", labels: ["blocked"], unreadable: true },
    });
    const rules = { QUARANTINE: "q/", QUARANTINE_LABELS: "Gun, Knife ", QUARANTINE_UNREADABLE: "keep" };
    expect(readConfig({ MODELS, ...rules }).quarantine).toEqual({
      ...{ prefix: "q/", labels: ["gun", "knife"], unreadable: false },
    });
    for (const [variable, value] of [
      ["QUARANTINE", "held"],
      ["QUARANTINE", ""],
      ["QUARANTINE", "/"],
      ["QUARANTINE_LABELS", "a,,b"],
      ["QUARANTINE_UNREADABLE", "no"],
      ["KEEP_FEATURES", "yes"],
    ] as const) {
      expect(fault({ MODELS, [variable]: value })).toMatchObject({ code: "misconfigured", variable });
    }
  });

  test.each(["RATE_LIMITER", "ANALYTICS", "RESULTS"])(
    "refuses a variable instead of the binding %s",
    (name) => {
      expect(fault({ MODELS, [name]: "on" })).toMatchObject({ code: "misconfigured", variable: name });
      expect(fault({ MODELS, [name]: {} })).toMatchObject({ code: "misconfigured", variable: name });
    },
  );

  test.each([
    "",
    "-1",
    "0",
    "1.5",
    "16MiB",
    "NaN",
    0,
    -1,
    1.5,
    Number.NaN,
    maxImageBytesCeiling + 1,
    "99999999999",
    {},
  ])("refuses MAX_IMAGE_BYTES %j and names the variable", (value) => {
    const reason = fault({ MODELS, MAX_IMAGE_BYTES: value });
    expect(reason).toMatchObject({ code: "misconfigured", variable: "MAX_IMAGE_BYTES" });
  });

  test.each(["", "../x", "Models", "a/b", "x".repeat(65)])(
    "refuses MODEL_NAME %j and names the variable",
    (value) => {
      expect(fault({ MODELS, MODEL_NAME: value })).toMatchObject({ variable: "MODEL_NAME" });
    },
  );

  test.each([
    ["ALLOWED_IMAGE_HOSTS", "https://images.example.com"],
    ["CACHE_HOST", "https://classify.example.com"],
    ["CACHE_HOST", "classify.example.com/v1"],
    ["CACHE_HOST", "*.example.com"],
    ["CACHE_HOST", ""],
    ["IMAGE_RENDITIONS", "w=512"],
    ["RESULTS_TTL_SECONDS", 59],
  ])("refuses an invalid %s and names the variable", (variable, value) => {
    expect(fault({ MODELS, [variable]: value })).toMatchObject({ code: "misconfigured", variable });
  });
});
