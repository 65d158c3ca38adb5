import { expect, test } from "vitest";
import { CircuitBreaker } from "../../src/concurrency/timeout.ts";
import { never } from "../support/deferred.ts";

test("calls are skipped for a while after a timeout", async () => {
  let nowMs = 0;
  let calls = 0;
  const failures: string[] = [];
  const breaker = new CircuitBreaker({
    timeoutMs: 10,
    restMs: 1000,
    onFailure: (operation, error) => void failures.push(`${operation}: ${error}`),
    now: () => nowMs,
  });
  const hang = () => {
    calls++;
    return never<string>();
  };
  expect(await breaker.attempt("get", hang)).toBeUndefined();
  expect(failures).toEqual(["get: Error: no answer within 10 ms; skipped for the next 1000 ms"]);
  expect(await breaker.attempt("get", hang)).toBeUndefined();
  nowMs = 999;
  expect(await breaker.attempt("get", hang)).toBeUndefined();
  expect(calls).toBe(1);
  expect(failures).toHaveLength(1);
  nowMs = 1000;
  expect(await breaker.attempt("get", async () => "value")).toBe("value");
});

test("a failed call is reported and does not skip the next one", async () => {
  const failures: string[] = [];
  const breaker = new CircuitBreaker({
    timeoutMs: 1000,
    restMs: 1000,
    onFailure: (operation) => void failures.push(operation),
    now: () => 0,
  });
  expect(await breaker.attempt("put", () => Promise.reject(new Error("x")))).toBeUndefined();
  expect(await breaker.attempt("get", async () => "value")).toBe("value");
  expect(failures).toEqual(["put"]);
});
