/** What labels a bucket: made by the composition root, used by the queue and by the routes. */
import type { Scorer } from "../classifier/score.ts";
import { Backlog } from "./backlog.ts";
import type { PictureBucket, PictureDatabase, PictureQueue } from "./bindings.ts";
import { Labeller } from "./labeller.ts";
import { PictureStore } from "./picture-store.ts";
import type { QuarantineRules } from "./quarantine.ts";

/** The bucket, its labels and what makes them. One per isolate. */
export interface Pictures {
  readonly bucket: PictureBucket;
  readonly queue: PictureQueue;
  readonly store: PictureStore;
  readonly labeller: Labeller;
  readonly backlog: Backlog;
}

/** The settings that labelling needs. */
export interface PicturesConfig {
  readonly maxImageBytes: number;
  readonly picturesHead: string | undefined;
  readonly keepFeatures: boolean;
  readonly quarantine: QuarantineRules | undefined;
}

/** Builds the parts that label the bucket. Returns undefined if no bucket is bound. */
export function createPictures(
  bindings: {
    readonly PICTURES?: PictureBucket;
    readonly PICTURES_DB?: PictureDatabase;
    readonly PICTURES_QUEUE?: PictureQueue;
  },
  { config, scorer }: { readonly config: PicturesConfig; readonly scorer: Scorer },
): Pictures | undefined {
  const { PICTURES: bucket, PICTURES_DB: database, PICTURES_QUEUE: queue } = bindings;
  if (!bucket || !database || !queue) return undefined;
  const store = new PictureStore(database);
  const { maxImageBytes, picturesHead: head, keepFeatures, quarantine } = config;
  const labeller = new Labeller({ bucket, store, scorer, maxImageBytes, head, keepFeatures, quarantine });
  return { bucket, queue, store, labeller, backlog: new Backlog({ bucket, store, queue, labeller }) };
}
