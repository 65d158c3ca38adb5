/** Builds the retryable `model_unavailable` error (503). */

import { StalledError } from "../concurrency/single-flight.ts";
import { ClassifierError } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

/** Characters of a detail. It may repeat names from the bucket, which can have any length. */
const maxDetailChars = 500;

/** Builds the error, its detail cut to a bounded length. */
export function modelUnavailable(message: string, cause?: unknown): ClassifierError {
  const detail = message.slice(0, maxDetailChars).toWellFormed();
  return new ClassifierError({ code: "model_unavailable", detail, retryAfterSeconds }, { cause });
}

/**
 * Waits for shared work.
 * @throws ClassifierError model_unavailable, if the work made no progress; otherwise what the work throws
 */
export async function stallsAreUnavailable<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StalledError) throw modelUnavailable(`${what} made ${error.message}`, error);
    throw error;
  }
}
