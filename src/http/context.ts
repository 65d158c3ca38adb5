/** What handlers receive: the services of the isolate, and what a request carries through the middleware. */
import type { Context } from "hono";
import type { SeenImages } from "../cache/seen-images.ts";
import type { Classifier, RequestContext } from "../classifier/classifier.ts";
import type { Scorer } from "../classifier/score.ts";
import type { Admission } from "../concurrency/admission.ts";
import type { WaitUntil } from "../concurrency/shared-work.ts";
import type { Config } from "../config.ts";
import type { HeadStore } from "../head/head-store.ts";
import type { Pictures } from "../pictures/pictures.ts";

/** Hono's variables of a request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    scoring: RequestContext;
    /** SHA-256 of the caller's API key, in hex. Never logged. */
    keyHash?: string;
  };
}

/** The context of one request. */
export type AppContext = Context<AppEnv>;

/** What the routes need. Made once per isolate, by the composition root. */
export interface Services {
  readonly config: Config;
  readonly scorer: Scorer;
  readonly classifier: Classifier;
  readonly heads: HeadStore;
  /** Memory of the requests in flight. */
  readonly admission: Admission;
  /** Hashes and validators of remote images. */
  readonly seenImages: SeenImages;
  readonly waitUntil: WaitUntil;
  /** Undefined if no bucket is labelled. */
  readonly pictures: Pictures | undefined;
}

/**
 * Returns the services, made at the first call.
 * @throws ClassifierError misconfigured, when a variable of the deployment is invalid
 */
export type GetServices = () => Services;
