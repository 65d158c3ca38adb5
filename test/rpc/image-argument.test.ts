import { describe, expect, test } from "vitest";
import { ClassifierError } from "../../src/errors.ts";
import { maxImageBytesCeiling, numberArrayFactor } from "../../src/limits.ts";
import { imageArgument } from "../../src/rpc/image-argument.ts";
import { reasonOf } from "../support/image-errors.ts";

describe("imageArgument", () => {
  test("bytes are the caller's own, not a copy, and stay whole", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(imageArgument(bytes, 3).bytes()).toBe(bytes);
    expect(imageArgument(bytes.buffer, 3).bytes()).toEqual(bytes);
    expect(bytes.buffer.detached).toBe(false);
  });

  test("a view counts with its whole buffer", () => {
    const view = new Uint8Array(1000).subarray(10, 20);
    expect(imageArgument(view, 10)).toMatchObject({ memoryBytes: 1000 });
    const large = new Uint8Array(maxImageBytesCeiling + 1).subarray(0, 10);
    expect(reasonOf(() => imageArgument(large, 10))).toMatchObject({ measured: maxImageBytesCeiling + 1 });
  });

  test("numbers count with what an array takes beside the bytes made of them", () => {
    const argument = imageArgument([255, 216, 0], 10);
    expect(argument.memoryBytes).toBe(27);
    expect(argument.bytes()).toEqual(Uint8Array.of(255, 216, 0));
  });

  test.each([[-1], [256], [1.5], [Number.NaN], ["1"], [null], [undefined]])("%j is no byte", (value) => {
    expect(reasonOf(() => imageArgument([1, value], 10).bytes())).toMatchObject({ parameter: "image" });
  });

  test.each([undefined, null, 1, "bytes", {}, new DataView(new ArrayBuffer(4)), new Uint16Array(2)])(
    "argument %# is refused",
    (image) => {
      expect(reasonOf(() => imageArgument(image, 10))).toMatchObject({ code: "invalid_parameter" });
    },
  );

  test("an object without a prototype is refused too", () => {
    expect(() => imageArgument(Object.create(null), 10)).toThrow(ClassifierError);
  });

  test("none is empty, and too many are too large, before a copy is made", () => {
    expect(reasonOf(() => imageArgument(new Uint8Array(), 10))).toEqual({ code: "empty_body" });
    expect(reasonOf(() => imageArgument([], 10))).toEqual({ code: "empty_body" });
    expect(reasonOf(() => imageArgument(new Uint8Array(11), 10))).toMatchObject({ measured: 11, limit: 10 });
    expect(reasonOf(() => imageArgument(new Array(2e6), 1e7))).toMatchObject({
      measured: 2e6,
      limit: Math.floor(maxImageBytesCeiling / numberArrayFactor),
    });
  });
});
