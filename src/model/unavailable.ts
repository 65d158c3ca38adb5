/** The 503 of this room: the model cannot answer now, and the next request tries again. */
import { ClassifierError } from "../errors.ts";
import { retryAfterSeconds } from "../limits.ts";
import { StalledError } from "../single-flight.ts";

/** Characters of a detail: it repeats names that a bucket gave, and those may be of any length. */
const maxDetailChars = 500;

export function modelUnavailable(message: string, cause?: unknown): ClassifierError {
  const detail = message.slice(0, maxDetailChars).toWellFormed();
  return new ClassifierError({ code: "model_unavailable", detail, retryAfterSeconds }, { cause });
}

/** Shared work that made no progress is an unavailable model to its caller. */
export async function stallsAreUnavailable<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StalledError) throw modelUnavailable(`${what} made ${error.message}`, error);
    throw error;
  }
}
