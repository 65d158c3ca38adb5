import { describe, expect, test } from "vitest";
import * as limits from "../src/limits.ts";

describe("the memory budget", () => {
  test("leaves a margin of 2 MB in an isolate", () => {
    const parts = Object.values(limits.memoryBudget);
    const sum = parts.reduce((total, bytes) => total + bytes, 0);
    expect(sum).toBeLessThanOrEqual(limits.isolateBytes - 2_000_000);
  });

  test("fits the default largest image", () => {
    expect(limits.defaultMaxImageBytes).toBeLessThanOrEqual(limits.maxImageBytesCeiling);
  });

  test("reserves twice the size of the result cache and the heads in restBytes", () => {
    const { maxMemoryCacheBytes, maxHeadMemoryBytes, maxHeadBytes, memoryBudget } = limits;
    expect(maxMemoryCacheBytes + maxHeadMemoryBytes).toBeLessThanOrEqual(memoryBudget.restBytes / 2);
    // Two heads used in turns must both stay in memory.
    expect(2 * maxHeadBytes).toBeLessThanOrEqual(maxHeadMemoryBytes);
  });

  test("has room for a copy of the largest body, which is made while nothing is decoded", () => {
    const { decodeBytes, restBytes } = limits.memoryBudget;
    expect(limits.maxImageBytesCeiling).toBeLessThanOrEqual(decodeBytes + restBytes / 2);
  });
});
