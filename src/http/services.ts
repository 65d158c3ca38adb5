/** What the routes need, and the little that they share. */

import type { SeenImages } from "../cache/seen-images.ts";
import type { Classifier } from "../classifier/classifier.ts";
import type { Admission } from "../concurrency/admission.ts";
import type { WaitUntil } from "../concurrency/single-flight.ts";
import type { Config } from "../config.ts";
import type { HeadStore } from "../head/head-store.ts";
import type { Pack } from "../model/pack.ts";

export interface Services {
  readonly config: Config;
  readonly classifier: Classifier;
  readonly heads: HeadStore;
  /** Bytes of bodies in flight. */
  readonly admission: Admission;
  /** What remote URLs gave before. */
  readonly seenImages: SeenImages;
  readonly waitUntil: WaitUntil;
}

/** Throws ClassifierError misconfigured when the deployment's variables do not hold. */
export type GetServices = () => Services;

/** How an answer names the model that made it. */
export function modelOf(pack: Pack): { name: string; version: string } {
  return { name: pack.manifest.name, version: pack.manifest.version };
}
