import { describe, expect, test } from "vitest";
import { type Env, readConfig } from "../src/config.ts";
import { ClassifierError } from "../src/errors.ts";

const MODELS = { get: async () => null } as unknown as Env["MODELS"];
const good = "a-key-of-16-chars";

function fault(variables: Record<string, unknown>): ClassifierError {
  try {
    readConfig({ MODELS, ...variables } as Env);
  } catch (error) {
    if (error instanceof ClassifierError) return error;
  }
  return expect.unreachable("expected an error");
}

describe("API_KEYS", () => {
  test("is a list of keys, with or without spaces", () => {
    expect(readConfig({ MODELS, API_KEYS: `${good}, ${good}2` }).apiKeys).toEqual([good, `${good}2`]);
  });

  test.each(["", ",", "short", `${good},`, `${good},short`, `${good} with space`, "ключ-из-16-букв-и", 1e20])(
    "%j is refused with the variable's name, and not repeated",
    (value) => {
      const { reason, message } = fault({ API_KEYS: value });
      expect(reason).toMatchObject({ code: "misconfigured", variable: "API_KEYS" });
      expect(message).toContain("at least 16 characters");
      if (String(value).length > 1) expect(message).not.toContain(String(value));
    },
  );
});

describe("CORS_ORIGINS", () => {
  test.each([
    ["", []],
    ["*", ["*"]],
    ["https://a.example, http://localhost:5173", ["https://a.example", "http://localhost:5173"]],
  ])("%j means %j", (value, origins) => {
    expect(readConfig({ MODELS, CORS_ORIGINS: value }).corsOrigins).toEqual(origins);
  });

  test.each(["https://a.example/", "a.example", "*,https://a.example", "https://*.a.example/x", "null"])(
    "%j is refused with the variable's name",
    (value) => {
      expect(fault({ CORS_ORIGINS: value }).reason).toMatchObject({ variable: "CORS_ORIGINS" });
    },
  );
});
