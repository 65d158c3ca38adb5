/** The retryable `model_unavailable` error (503). */
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
 * Runs one step of loading or reading a model.
 * @param detail what has failed if the step throws
 * @throws ClassifierError model_unavailable
 */
export async function orUnavailable<T>(detail: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    throw modelUnavailable(detail, cause);
  }
}
