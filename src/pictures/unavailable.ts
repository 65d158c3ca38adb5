/** The retryable `pictures_unavailable` error (503): the bucket, the database or the queue fails. */
import { settleWithin, timedOut } from "../concurrency/timeout.ts";
import { ClassifierError } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";

/** Milliseconds for one call. D1 ends a query after 30 s, and a call that is cut off may never settle. */
const callTimeoutMs = 30_000;

/** Builds the error. */
export function picturesUnavailable(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "pictures_unavailable", detail, retryAfterSeconds }, { cause });
}

/**
 * Waits for a call to a binding.
 * @param what has failed if the call fails, such as "reading the object"
 * @throws ClassifierError pictures_unavailable
 */
export async function reach<T>(what: string, call: () => Promise<T>): Promise<T> {
  const outcome = await settleWithin(attempt(what, call), callTimeoutMs);
  if (outcome === timedOut) throw picturesUnavailable(`${what} took over ${callTimeoutMs / 1000} s`);
  return outcome;
}

async function attempt<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw picturesUnavailable(`${what} failed`, cause);
  }
}
