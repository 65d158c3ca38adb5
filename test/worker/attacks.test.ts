/** The memory of the isolate and of its process after attacks: short versions of those of the soak test. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { type AttackName, runAttack } from "../soak/attacks.ts";
import type { Outcome } from "../soak/client.ts";
import {
  type AttackPictures,
  type ImageServer,
  padded,
  readAttackPictures,
  startImageServer,
} from "../soak/pictures.ts";
import {
  expectNothingHeld,
  type MeasuredWorker,
  MiB,
  startDefaultModel,
} from "../support/measured-worker.ts";
import { distinct, makePhoto, phonePhotos } from "../support/photos.ts";

let worker: MeasuredWorker;
let images: ImageServer;
let photos: Uint8Array[];
let attackPictures: AttackPictures;

beforeAll(async () => {
  photos = await phonePhotos();
  attackPictures = await readAttackPictures();
  images = await startImageServer(await makePhoto({ width: 500, height: 375, seed: 1 }));
  worker = await startDefaultModel({ IMAGE_ORIGIN: images.url });
  // The process then has the size that ordinary requests need.
  const answers = await Promise.all(photos.map((photo) => worker.classify(photo)));
  expect(answers.map(({ status }) => status)).toEqual(photos.map(() => 200));
}, 300_000);

afterAll(async () => {
  await worker?.close();
  await images?.close();
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
      await expectNothingHeld(worker.url);
      expect((await worker.classify(padded(small, defaultMaxImageBytes))).status).toBe(200);
      let after = await worker.isolateBytes();
      for (let n = 0; n < 200 && after.total > 100 * MiB; n += 10) {
        await Promise.all(
          Array.from({ length: 10 }, (_, j) => worker.classify(distinct(small, 10_000 + n + j))),
        );
        after = await worker.isolateBytes();
      }
      expect(after.total).toBeLessThanOrEqual(100 * MiB);
      expect(await worker.peakProcessBytes()).toBeLessThanOrEqual(peakBefore + 96 * MiB);
    },
  );
});
