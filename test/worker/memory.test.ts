/** The 128 MB of an isolate: its memory under phone photographs, mixed requests and attacks. */
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { packsFolder } from "../../cli/store/local-pack.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { type AttackName, runAttack } from "../soak/attacks.ts";
import type { Outcome } from "../soak/client.ts";
import { readInFlight } from "../soak/phase.ts";
import {
  type AttackPictures,
  type ImageServer,
  padded,
  readAttackPictures,
  startImageServer,
} from "../soak/pictures.ts";
import { MeasuredWorker } from "../support/measured-worker.ts";
import { makePhoto } from "../support/photos.ts";
import { exampleImage } from "../support/worker.ts";

const MiB = 2 ** 20;
let worker: MeasuredWorker;
let images: ImageServer;
let photos: Uint8Array[];
let attackPictures: AttackPictures;

beforeAll(async () => {
  const sizes = [
    { width: 4032, height: 3024 },
    { width: 6000, height: 4000 },
  ];
  const four: Uint8Array[] = [];
  for (let seed = 0; seed < 4; seed++) {
    four.push(await makePhoto({ ...sizes[seed % 2]!, progressive: seed < 2, seed }));
  }
  photos = [...four, ...four.map((photo, i) => distinct(photo, i))];
  attackPictures = await readAttackPictures();
  images = await startImageServer(await makePhoto({ width: 500, height: 375, seed: 1 }));
  const vars = { IMAGE_ORIGIN: images.url };
  const pack = process.env.MEMORY_TEST_PACK ?? path.join(packsFolder, defaultModelName);
  worker = await MeasuredWorker.start(pack, vars);
}, 300_000);

afterAll(async () => {
  await worker?.close();
  await images?.close();
});

afterEach(expectNothingHeld);

/** Returns the bytes of ONNX Runtime's WASM heap, the JS heap and the ArrayBuffers, and their sum. */
async function isolateBytes(): Promise<Record<string, number>> {
  const ready = (await (await fetch(`${worker.url}/readyz`)).json()) as { wasm_heap_bytes: number };
  const { usedSize, backingStorageSize } = await worker.heapUsage();
  const total = ready.wasm_heap_bytes + usedSize + backingStorageSize;
  return { ort: ready.wasm_heap_bytes, js: usedSize, buffers: backingStorageSize, total };
}

const inMebibytes = (bytes: Record<string, number>) =>
  Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, (value / MiB).toFixed(1)]));

/** One picture of each kind: of 50 megapixels, or of as many as its kind may have. */
async function largestPictures(): Promise<Uint8Array[]> {
  const bytesOf = async (picture: Sharp) => new Uint8Array(await picture.toBuffer());
  const teapot = await exampleImage("teapot");
  const sized = (width: number, height: number) => sharp(teapot).resize(width, height, { kernel: "nearest" });
  const largest = () => sized(8660, 5773);
  return [
    await bytesOf(largest().jpeg({ quality: 70 })),
    await bytesOf(largest().jpeg({ quality: 70, progressive: true })),
    await bytesOf(largest().png({ compressionLevel: 6 })),
    await bytesOf(sized(1700, 1400).png({ progressive: true })),
    await bytesOf(largest().webp({ quality: 70, effort: 0 })),
    await bytesOf(largest().webp({ lossless: true, effort: 0 })),
    await bytesOf(largest().gif({ effort: 1, colours: 8, dither: 0 })),
    await bytesOf(sized(3200, 2400).gif({ progressive: true, effort: 1, colours: 8, dither: 0 })),
  ];
}

/** The Worker notices disconnected clients within the idle time of a body. */
async function expectNothingHeld(): Promise<void> {
  const nothing = { permits: 0, permit_bytes: 0, waiting: 0 };
  await vi.waitFor(async () => expect(await readInFlight(worker.url)).toEqual(nothing), {
    timeout: 30_000,
    interval: 200,
  });
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
    const bytes = await isolateBytes();
    console.log("isolate, MiB:", inMebibytes(bytes));
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
    const bytes = await isolateBytes();
    console.log("isolate, MiB:", inMebibytes(bytes));
    expect(bytes.total).toBeLessThanOrEqual(100 * MiB);
  });

  test("has not grown after 500 mixed good and bad requests", async () => {
    const before = await isolateBytes();
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
    let after = await isolateBytes();
    for (let n = 500; n < 700 && (after.total as number) > 100 * MiB; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => worker.classify(distinct(small, n + j))));
      after = await isolateBytes();
    }
    console.log("isolate, MiB:", inMebibytes(after));
    expect(after.ort).toBe(before.ort);
    expect(after.total).toBeLessThanOrEqual(100 * MiB);
    // The process also holds workerd, V8's code and garbage that is not yet collected. It must not keep growing.
    expect(await worker.peakProcessBytes()).toBeLessThanOrEqual(peakBefore + 48 * MiB);
  });
});

const attacks: readonly AttackName[] = ["slow clients", "slow readers", "JSON bombs", "decode churn"];

describe.sequential("after 4 seconds of an attack", () => {
  let salt = 0;
  test.each(attacks)(
    "%s: the process has not grown, and the isolate retains at most 100 MiB",
    async (name) => {
      const peakBefore = await worker.peakProcessBytes();
      const small = await makePhoto({ width: 500, height: 375, seed: 1 });
      const ended: Record<string, number> = {};
      const wrong: Outcome[] = [];
      await runAttack(name, {
        origin: worker.url,
        materials: { seed: 1, pictures: { small: [small], large: photos }, references: [] },
        pictures: attackPictures,
        report: {
          sent: () => {},
          ended: (kind, outcome) => {
            ended[kind] = (ended[kind] ?? 0) + 1;
            if (outcome.end === "answered" && outcome.wrong !== undefined) wrong.push(outcome);
          },
        },
        salts: () => salt++,
        signal: AbortSignal.timeout(4000),
      });
      expect(wrong).toEqual([]);
      // The attack's requests, and small ones at the same time.
      expect(Object.keys(ended).length).toBeGreaterThanOrEqual(2);
      await expectNothingHeld();
      expect((await worker.classify(padded(small, defaultMaxImageBytes))).status).toBe(200);
      let after = await isolateBytes();
      for (let n = 0; n < 200 && (after.total as number) > 100 * MiB; n += 10) {
        await Promise.all(
          Array.from({ length: 10 }, (_, j) => worker.classify(distinct(small, 10_000 + n + j))),
        );
        after = await isolateBytes();
      }
      expect(after.total).toBeLessThanOrEqual(100 * MiB);
      expect(await worker.peakProcessBytes()).toBeLessThanOrEqual(peakBefore + 96 * MiB);
    },
  );
});

/** Returns the same picture with another hash, by bytes after its end. */
function distinct(photo: Uint8Array, n: number): Uint8Array {
  const copy = new Uint8Array(photo.length + 4);
  copy.set(photo);
  new DataView(copy.buffer).setUint32(photo.length, n);
  return copy;
}
