import { expect, test } from "vitest";
import { Patience } from "../src/patience.ts";
import { never } from "./support/deferred.ts";

test("after a call that hung none is made for a while, then the next one is", async () => {
  let nowMs = 0;
  let calls = 0;
  const patience = new Patience({ timeoutMs: 10, restMs: 1000, now: () => nowMs });
  const hang = () => {
    calls++;
    return never<string>();
  };
  await expect(patience.attempt(hang)).rejects.toThrow("no answer within 10 ms");
  expect(await patience.attempt(hang)).toBeUndefined();
  nowMs = 999;
  expect(await patience.attempt(hang)).toBeUndefined();
  expect(calls).toBe(1);
  nowMs = 1000;
  expect(await patience.attempt(async () => "well")).toBe("well");
});

test("a call that fails in time is no reason to rest", async () => {
  const patience = new Patience({ timeoutMs: 1000, restMs: 1000, now: () => 0 });
  await expect(patience.attempt(() => Promise.reject(new Error("x")))).rejects.toThrow("x");
  expect(await patience.attempt(async () => "well")).toBe("well");
});
