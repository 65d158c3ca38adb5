/** From the bytes of images to the answer: what every way in to classify shares. */
import type { Context } from "hono";
import { freeBytes } from "../bytes/free-bytes.ts";
import type { Classifier, Scored } from "../classifier/classifier.ts";
import type { Permit } from "../concurrency/admission.ts";
import { pause } from "../concurrency/timeout.ts";
import { ClassifierError } from "../errors.ts";
import { betweenImagesMs, preloadBodyBytes, requestOverheadBytes } from "../limits.ts";
import type { Pack } from "../model/pack.ts";
import type { FunctionToApply } from "../model/scores.ts";
import { type ClassifyAnswer, classificationOf, type Settled, settle, type Wanted } from "./answers.ts";
import type { AppEnv } from "./context.ts";
import { problemOf, toClassifierError } from "./problem.ts";
import type { Services } from "./services.ts";

/** How the images of a request are to be scored. */
export interface Scoring {
  readonly classifier: Classifier;
  /** The live pack, once what was asked has been checked against it: read while the body streams in, as the head is. */
  readonly live: Promise<Pack>;
  readonly functionToApply: FunctionToApply;
  /** What was asked, for the pack that made the scores. Short-lived: who waits must not hold a head. */
  settleFor(pack: Pack): Promise<Settled>;
}

/** Begins what is to come in any case, so that it goes on while a body streams in. */
export function beginScoring(
  { classifier, heads }: Pick<Services, "classifier" | "heads">,
  wanted: Wanted,
): Scoring {
  const settleFor = (pack: Pack) => settle(heads, wanted, pack);
  const live = beginPack(classifier).then(async (pack) => (await settleFor(pack)).pack);
  live.catch(() => {});
  return { classifier, live, functionToApply: wanted.functionToApply, settleFor };
}

/** The live pack, which is read while the body streams in. */
export function beginPack({ host }: Classifier): Promise<Pack> {
  const pack = host.pack();
  pack.catch(() => {});
  return pack;
}

/**
 * Loads a cold model while a body comes in that takes longer than loading.
 * @param wanted false as soon as the body is there
 */
export function preload({ host }: Classifier, expectedBytes: number, wanted: () => boolean): void {
  if (host.cold && expectedBytes >= preloadBodyBytes) host.warmInBackground(wanted);
}

/** One image to its answer. Rejects with ClassifierError. */
export async function scoreImage(
  c: Context<AppEnv>,
  scoring: Scoring,
  bytes: Uint8Array,
): Promise<ClassifyAnswer> {
  const { stages, facts } = c.var;
  const { classifier } = scoring;
  if (bytes.length === 0) throw new ClassifierError({ code: "empty_body" });
  const pack = await stages.time("model", () => scoring.live);
  const scored = await classifier.score(bytes, pack, stages);
  facts.decode = scored.decode;
  return answerOf(c, scored, scoring);
}

/** The answer, from the head of the very pack that made the scores. What answered, and where from, is noted in the log line. */
export async function answerOf(
  c: Context<AppEnv>,
  scored: Scored,
  { settleFor }: Pick<Scoring, "settleFor">,
): Promise<ClassifyAnswer> {
  noteScored(c, scored);
  const answer = classificationOf(scored, await settleFor(scored.pack));
  if (answer.head) c.var.facts.head = `${answer.head.name}/${answer.head.version}`;
  return answer;
}

/** Notes in the log line and in X-Cache what answered, and where it came from. */
export function noteScored(c: Context<AppEnv>, scored: Scored): void {
  const { name, version } = scored.pack.manifest;
  c.var.facts.cache = scored.cache;
  c.var.facts.model = `${name}/${version}`;
  c.header("X-Cache", scored.cache);
}

/**
 * Several images, one after the other, each to its answer or to the problem with it. What one needed is given back
 * before the next begins. Rejects with ClassifierError where the fault is not one image's but the request's.
 */
export async function scoreEach(
  c: Context<AppEnv>,
  scoring: Scoring,
  images: readonly Uint8Array[],
  permit: Permit,
): Promise<{ results: readonly (ClassifyAnswer | Record<string, unknown>)[] }> {
  await scoring.live;
  let heldBytes = images.reduce((sum, { length }) => sum + length, 0);
  const results = [];
  for (const [i, bytes] of images.entries()) {
    // Decoding and inference do not yield: other requests go on between two images.
    if (i > 0) await pause(betweenImagesMs);
    const { length } = bytes;
    try {
      results.push(await scoreImage(c, scoring, bytes));
    } catch (thrown) {
      const error = toClassifierError(thrown);
      c.var.facts.code = error.reason.code;
      if (error.reason.code === "internal") c.var.facts.error = error;
      results.push(problemOf(error, c.var.requestId));
    }
    freeBytes(bytes);
    heldBytes -= length;
    permit.shrinkTo(heldBytes + requestOverheadBytes);
  }
  // Each image has its own status: one header cannot tell.
  c.header("X-Cache", undefined);
  return { results };
}
