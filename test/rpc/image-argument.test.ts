import { describe, expect, test } from "vitest";
import type { Permit } from "../../src/concurrency/admission.ts";
import { ClassifierError } from "../../src/errors.ts";
import { maxImageBytesCeiling } from "../../src/limits.ts";
import { argumentSource, numberArrayFactor } from "../../src/rpc/image-argument.ts";
import { reasonOf } from "../support/image-errors.ts";

/** Reads the image of a source, and returns the bytes to which the permit grew. */
async function read(image: unknown, maxImageBytes: number) {
  let grownTo = 0;
  const permit = {
    heldBytes: 0,
    growTo: async (bytes: number) => {
      grownTo = bytes;
    },
    shrinkTo: () => {},
    release: () => {},
  } satisfies Permit;
  const content = await argumentSource(image, maxImageBytes).read(permit, undefined);
  return { grownTo, images: "images" in content ? content.images : [] };
}

describe("argumentSource", () => {
  test("reads the caller's own bytes, which are not freed", async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect((await read(bytes, 3)).images[0]).toBe(bytes);
    expect((await read(bytes.buffer, 3)).images).toEqual([bytes]);
    expect(argumentSource(bytes, 3).isBorrowed).toBe(true);
  });

  test("counts a view with its whole buffer", async () => {
    const view = new Uint8Array(1000).subarray(10, 20);
    expect(argumentSource(view, 10)).toMatchObject({ maxBytes: 1000 });
    expect((await read(view, 10)).grownTo).toBe(1000);
    const large = new Uint8Array(maxImageBytesCeiling + 1).subarray(0, 10);
    expect(reasonOf(() => argumentSource(large, 10))).toMatchObject({ measured: maxImageBytesCeiling + 1 });
  });

  test("counts numbers with the array that holds them", async () => {
    const { grownTo, images } = await read([255, 216, 0], 10);
    expect(grownTo).toBe(27);
    expect(images).toEqual([Uint8Array.of(255, 216, 0)]);
  });

  test.each([[-1], [256], [1.5], [Number.NaN], ["1"], [null], [undefined]])(
    "refuses %j as a byte",
    async (value) => {
      const error = await read([1, value], 10).catch((thrown: unknown) => thrown);
      expect((error as ClassifierError).reason).toMatchObject({ parameter: "image" });
    },
  );

  test.each([undefined, null, 1, "bytes", {}, new DataView(new ArrayBuffer(4)), new Uint16Array(2)])(
    "refuses argument %#",
    (image) => {
      expect(reasonOf(() => argumentSource(image, 10))).toMatchObject({ code: "invalid_parameter" });
    },
  );

  test("refuses an object without a prototype", () => {
    expect(() => argumentSource(Object.create(null), 10)).toThrow(ClassifierError);
  });

  test("refuses zero and too many bytes before it makes a copy", () => {
    expect(reasonOf(() => argumentSource(new Uint8Array(), 10))).toEqual({ code: "empty_body" });
    expect(reasonOf(() => argumentSource([], 10))).toEqual({ code: "empty_body" });
    expect(reasonOf(() => argumentSource(new Uint8Array(11), 10))).toMatchObject({ measured: 11, limit: 10 });
    expect(reasonOf(() => argumentSource(new Array(2e6), 1e7))).toMatchObject({
      measured: 2e6,
      limit: Math.floor(maxImageBytesCeiling / numberArrayFactor),
    });
  });
});
