/** The 128 MB of an isolate: its memory under phone photographs and mixed requests. attacks.test.ts measures attacks. */
import sharp, { type Sharp } from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  expectNothingHeld,
  type MeasuredWorker,
  MiB,
  startDefaultModel,
} from "../support/measured-worker.ts";
import { distinct, makePhoto, phonePhotos } from "../support/photos.ts";
import { exampleImage } from "../support/worker.ts";

let worker: MeasuredWorker;
let photos: Uint8Array[];

beforeAll(async () => {
  const [four, started] = await Promise.all([phonePhotos(), startDefaultModel()]);
  worker = started;
  photos = [...four, ...four.map((photo, i) => distinct(photo, i))];
}, 300_000);

afterAll(() => worker?.close());

afterEach(() => expectNothingHeld(worker.url));

/** One picture of each kind: of 50 megapixels, or of as many as its kind may have. */
async function largestPictures(): Promise<Uint8Array[]> {
  const bytesOf = async (picture: Sharp) => new Uint8Array(await picture.toBuffer());
  const teapot = await exampleImage("teapot");
  const sized = (width: number, height: number) => sharp(teapot).resize(width, height, { kernel: "nearest" });
  const largest = () => sized(8660, 5773);
  return Promise.all([
    bytesOf(largest().jpeg({ quality: 70 })),
    bytesOf(largest().jpeg({ quality: 70, progressive: true })),
    bytesOf(largest().png({ compressionLevel: 6 })),
    bytesOf(sized(1700, 1400).png({ progressive: true })),
    bytesOf(largest().webp({ quality: 70, effort: 0 })),
    bytesOf(largest().webp({ lossless: true, effort: 0 })),
    bytesOf(largest().gif({ effort: 1, colours: 8, dither: 0 })),
    bytesOf(sized(3200, 2400).gif({ progressive: true, effort: 1, colours: 8, dither: 0 })),
  ]);
}

describe.sequential("the isolate", () => {
  test("answers eight 12 and 24 megapixel photographs at once, half of them progressive, within 100 MiB", async () => {
    expect(photos.every((photo) => photo.length > 2 * MiB)).toBe(true);
    const answers = await Promise.all(photos.map((photo) => worker.classify(photo)));
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { image?: object }[];
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(bodies.map(({ image }) => image)).toEqual(
      photos.map((_, i) =>
        expect.objectContaining({ width: i % 2 ? 6000 : 4032, height: i % 2 ? 4000 : 3024 }),
      ),
    );
    const bytes = await worker.isolateBytes();
    console.log("isolate, MiB:", bytes.text);
    expect(bytes.total).toBeLessThanOrEqual(100 * MiB);
  });

  test("answers pictures of every format at once, each at the largest size, within 100 MiB", async () => {
    const pictures = await largestPictures();
    const answers = await Promise.all(pictures.map((picture) => worker.classify(picture)));
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(
      answers.map(({ status }) => status),
      bodies.join(""),
    ).toEqual(pictures.map(() => 200));
    const bytes = await worker.isolateBytes();
    console.log("isolate, MiB:", bytes.text);
    expect(bytes.total).toBeLessThanOrEqual(100 * MiB);
  });

  test("has not grown after 500 mixed good and bad requests", async () => {
    const before = await worker.isolateBytes();
    const peakBefore = await worker.peakProcessBytes();
    const small = await makePhoto({ width: 500, height: 375, seed: 1 });
    for (let i = 0; i < 500; i += 10) {
      const requests = Array.from({ length: 10 }, (_, j) => {
        const n = i + j;
        if (n % 10 === 0) return worker.classify(small.subarray(0, small.length >> 1));
        if (n % 10 === 1) return worker.classify(new TextEncoder().encode(`no image ${n}`));
        if (n % 50 === 2) return worker.classify(distinct(photos[n % 8]!, n));
        return worker.classify(distinct(small, n));
      });
      const statuses = (await Promise.all(requests)).map(({ status }) => status);
      expect(statuses.slice(0, 2)).toEqual([422, 415]);
      expect(statuses.slice(2)).toEqual(Array(8).fill(200));
    }
    // Garbage does not count. V8 collects it when further requests need memory.
    let after = await worker.isolateBytes();
    for (let n = 500; n < 700 && after.total > 100 * MiB; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => worker.classify(distinct(small, n + j))));
      after = await worker.isolateBytes();
    }
    console.log("isolate, MiB:", after.text);
    expect(after.wasm).toBe(before.wasm);
    expect(after.total).toBeLessThanOrEqual(100 * MiB);
    // The process also holds workerd, V8's code and garbage that is not yet collected. It must not keep growing.
    expect(await worker.peakProcessBytes()).toBeLessThanOrEqual(peakBefore + 48 * MiB);
  });
});
