/** Bodies of /v1/classify, split into chunks in every way that a network can. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ClassifierError } from "../../src/errors.ts";
import { decodeBase64, readImageParts, requestSource } from "../../src/http/sources/request-source.ts";
import {
  jsonBodyFactor,
  maxImageBytesCeiling,
  maxInFlightBytes,
  requestOverheadBytes,
  smallRequestBytes,
} from "../../src/limits.ts";

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.slice(at, at + size);
    at += size;
  }
}

const type = "multipart/form-data; boundary=xy";
const part = (image: Uint8Array) =>
  Buffer.concat([
    Buffer.from('--xy\r\nContent-Disposition: form-data; name="image"\r\n\r\n'),
    image,
    Buffer.from("\r\n"),
  ]);
const codeOf = (error: unknown) => (error as ClassifierError).reason?.code ?? String(error);

describe("readImageParts", () => {
  test("returns every image, however the body is split and whatever follows its end", async () => {
    const image = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // These look like the boundary, but are not.
      fc
        .constantFrom("\r\n--x", "\r\n--xx", "--xy", "\r\n-", "\r\r\n--x")
        .map((text) => new Uint8Array(Buffer.from(text))),
    );
    const images = fc.array(image, { minLength: 1, maxLength: 8 });
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
    const epilogue = fc.constantFrom("", "\r\n", "\r\nepilogue\r\n--xy\r\n");
    await fc.assert(
      fc.asyncProperty(images, sizes, epilogue, async (sent, cuts, after) => {
        const body = Buffer.concat([...sent.map(part), Buffer.from(`--xy--${after}`)]);
        const got = await readImageParts(cut(body, cuts), type);
        expect(got.map((bytes) => [...bytes])).toEqual(sent.map((bytes) => [...bytes]));
        expect(new Set(got.map(({ buffer }) => buffer)).size).toBe(got.length);
      }),
      { numRuns: 300 },
    );
  });

  test("refuses everything else as malformed", async () => {
    const text = fc.array(
      fc.constantFrom("--xy", "\r\n", "--", "\r\n\r\n", ":", "name=", '"image"', "\xff", "a"),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (pieces, size) => {
        const body = Buffer.from(pieces.join(""), "latin1");
        const outcome = await readImageParts(cut(body, [size]), type).then(() => "read", codeOf);
        expect(["read", "malformed_body", "too_many_images"]).toContain(outcome);
      }),
      { numRuns: 500 },
    );
  });
});

describe("decodeBase64", () => {
  const decode = (text: string) => decodeBase64(text, 1e6, "an image in base64");

  test("accepts a data: URL", () => {
    for (const prefix of ["data:image/jpeg;base64,", "DATA:image/svg+xml;BASE64,"])
      expect(decode(`${prefix}/9j/`)).toEqual(Uint8Array.of(0xff, 0xd8, 0xff));
  });

  test("returns every image, padded or not, across the pieces that it decodes at once", () => {
    for (const length of [1, 2, 3, 49_151, 49_152, 49_153, 150_001]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) % 256);
      const text = Buffer.from(bytes).toString("base64");
      expect(Buffer.compare(decode(text), bytes)).toBe(0);
      expect(Buffer.compare(decode(text.replace(/=+$/, "")), bytes)).toBe(0);
    }
  });

  test.each(["A", "AAAAA", "A===", "AA=", "=", "AA==AA", "A-_A", " AAAA", "AAAA\n", "data:,", "é"])(
    "refuses %j",
    (text) => {
      expect(() => decode(text)).toThrow(expect.objectContaining({ name: "ClassifierError" }));
    },
  );
});

const accepted = {
  multipart: true,
  json: {
    schema: z.unknown(),
    expected: "JSON",
    contentOf: () => expect.unreachable("the body is not read"),
  },
};

test("no source asks for more memory than exists, with the largest limit that can be set", () => {
  for (const contentType of ["image/jpeg", type, "application/json"]) {
    const request = new Request("http://x/", {
      method: "POST",
      body: "x",
      headers: { "Content-Type": contentType },
    });
    const { maxBytes } = requestSource(request, maxImageBytesCeiling, accepted);
    expect(maxBytes + requestOverheadBytes).toBeLessThanOrEqual(maxInFlightBytes - smallRequestBytes);
  }
});

test("a JSON body counts with the memory that it uses", () => {
  const init = {
    method: "POST",
    body: "x",
    headers: { "Content-Type": "application/json", "Content-Length": "1000" },
  };
  const { maxBytes } = requestSource(new Request("http://x/", init), 10_000, accepted);
  expect(maxBytes).toBe(1000 * jsonBodyFactor);
});
