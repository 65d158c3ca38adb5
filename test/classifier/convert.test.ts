import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { type ImageConverter, toJpeg } from "../../src/classifier/convert.ts";
import type { ClassifierError } from "../../src/errors.ts";

const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: "teal" } });
const avif = () => picture.clone().avif().toBuffer();
const failing = (error: Error): ImageConverter => ({
  input: () => ({ output: () => Promise.reject(error) }),
});
const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error: ClassifierError) => error.reason,
  );

describe("toJpeg", () => {
  test("without a binding says what to configure", async () => {
    expect(await reasonOf(toJpeg(await avif(), undefined, 1e6))).toMatchObject({
      code: "unsupported_image",
      expected: expect.stringContaining("[images] in wrangler.toml"),
    });
  });

  test("a picture that the binding refuses is the picture's fault, its own failure is not", async () => {
    const refused = Object.assign(new Error("bad image"), { code: 9412 });
    expect(await reasonOf(toJpeg(await avif(), failing(refused), 1e6))).toMatchObject({
      code: "image_undecodable",
    });
    for (const [message, code] of [
      ["internal error", 9523],
      ["Free unique transformations by account has been exhausted", 9422],
    ] as const) {
      const down = Object.assign(new Error(message), { code });
      expect(await reasonOf(toJpeg(await avif(), failing(down), 1e6))).toMatchObject({
        code: "conversion_unavailable",
        detail: expect.stringContaining(message),
      });
    }
  });

  test.each<[string, () => ReadableStream<Uint8Array>, string]>([
    [
      "breaks off",
      () => new ReadableStream({ pull: (controller) => controller.error(new Error("lost")) }),
      "broke off after 0 bytes",
    ],
    ["never ends", () => new ReadableStream(), "took more than 20 ms"],
    ["is empty", () => new Blob([]).stream(), "not a JPEG"],
    ["is no JPEG", () => new Blob(["<html>"]).stream(), "gave HTML or XML text, not a JPEG"],
  ])("a conversion that %s is the binding's failure, not the client's", async (_, image, detail) => {
    const converter: ImageConverter = { input: () => ({ output: async () => ({ image }) }) };
    expect(await reasonOf(toJpeg(await avif(), converter, 1e6, 20))).toMatchObject({
      code: "conversion_unavailable",
      detail: expect.stringContaining(detail),
    });
  });

  test.each([undefined, null, "a word", 7])(
    "a binding that throws %j is named unavailable",
    async (thrown) => {
      const throwing = {
        input: () => {
          throw thrown;
        },
      } as unknown as ImageConverter;
      expect(await reasonOf(toJpeg(await avif(), throwing, 1e6))).toMatchObject({
        code: "conversion_unavailable",
      });
    },
  );

  test("a binding that hangs is given up in time", async () => {
    const hanging: ImageConverter = { input: () => ({ output: () => new Promise(() => {}) }) };
    expect(await reasonOf(toJpeg(await avif(), hanging, 1e6, 20))).toMatchObject({
      code: "conversion_unavailable",
      detail: "the Images binding took more than 20 ms",
    });
  });

  test("a converted picture beyond the bound is refused", async () => {
    const large: ImageConverter = {
      input: () => ({ output: async () => ({ image: () => new Blob([new Uint8Array(100)]).stream() }) }),
    };
    expect(await reasonOf(toJpeg(await avif(), large, 99))).toMatchObject({
      code: "image_too_large",
      limit: 99,
    });
  });
});
