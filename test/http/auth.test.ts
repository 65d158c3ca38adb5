import { describe, expect, test } from "vitest";
import { equalInConstantTime } from "../../src/http/auth.ts";

describe("equalInConstantTime", () => {
  test.each([
    ["", "", true],
    ["abc", "abc", true],
    ["abc", "abd", false],
    ["abc", "xbc", false],
    ["abc", "abcd", false],
    ["abc", "", false],
  ])("%j and %j: %s", (a, b, equal) => {
    expect(equalInConstantTime(a, b)).toBe(equal);
    expect(equalInConstantTime(b, a)).toBe(equal);
  });
});
