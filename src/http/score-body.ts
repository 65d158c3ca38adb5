/** The way of every route that takes an image in its body: permit, bytes, pack, scores, and all given back. */
import type { Context } from "hono";
import { freeBytes } from "../bytes/free-bytes.ts";
import type { Scored } from "../classifier/classifier.ts";
import type { Permit } from "../concurrency/admission.ts";
import type { Pack } from "../model/pack.ts";
import type { AppEnv } from "./context.ts";
import { demandOf, makeRoomToScore } from "./room.ts";
import { beginPack, noteScored, preload } from "./score-images.ts";
import type { GetServices } from "./services.ts";
import { bodyBytes, readBody } from "./sources/body.ts";

/** How an image stands in a request's body. */
export interface ImageInput {
  /** Bytes of memory that reading it may take. Throws ClassifierError, before anything is read. */
  memoryBytes(request: Request, maxImageBytes: number): number;
  /**
   * The image. It is freed once it has been scored.
   * @param permit grows as the body comes
   */
  read(request: Request, maxImageBytes: number, permit: Permit): Promise<Uint8Array>;
}

/** The body is the image. */
export const rawImage: ImageInput = { memoryBytes: bodyBytes, read: readBody };

export interface BodyJob {
  readonly input: ImageInput;
  /** Checks what was asked against the model, before any work. Throws ClassifierError. */
  readonly check?: (pack: Pack) => void;
  readonly answer: (scored: Scored) => Response;
}

/** Scores the image in the body of a request and answers; the answer outlives a client that goes away. */
export function scoreBody(c: Context<AppEnv>, services: GetServices, job: BodyJob): Promise<Response> {
  const answer = score(c, services, job);
  // Also when the client goes away: what the request holds is given back only by running to its end.
  c.executionCtx.waitUntil(answer.catch(() => {}));
  return answer;
}

async function score(c: Context<AppEnv>, services: GetServices, job: BodyJob): Promise<Response> {
  const { config, classifier, admission } = services();
  const { stages } = c.var;
  const { raw: request } = c.req;
  const demand = demandOf(job.input.memoryBytes(request, config.maxImageBytes));
  let bytes: Uint8Array | undefined;
  const packSoon = beginPack(classifier);
  preload(classifier, demand.maxBytes, () => bytes === undefined);
  const permit = await stages.time("wait", () => admission.acquire(demand, request.signal));
  try {
    bytes = await stages.time("read", () => job.input.read(request, config.maxImageBytes, permit));
    const { length } = bytes;
    c.var.facts.bytes = length;
    await stages.time("wait", () => makeRoomToScore(permit, length, request.signal));
    const pack = await stages.time("model", () => packSoon);
    job.check?.(pack);
    const scored = await classifier.score(bytes, pack, stages);
    c.var.facts.decode = scored.decode;
    noteScored(c, scored);
    return job.answer(scored);
  } finally {
    if (bytes) freeBytes(bytes);
    permit.release();
  }
}
