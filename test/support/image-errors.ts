import { ClassifierError, type Reason } from "../../src/errors.ts";

/** Returns the reason of the ClassifierError that `run` throws. Any other outcome fails the test. */
export function reasonOf(run: () => unknown): Reason {
  try {
    run();
  } catch (error) {
    if (error instanceof ClassifierError) return error.reason;
    throw error;
  }
  throw new Error("expected a ClassifierError, but nothing was thrown");
}

/** Returns the reason of the ClassifierError with which `promise` is rejected. Any other outcome fails the test. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Reason> {
  const outcome = await promise.then(
    () => () => undefined,
    (error: unknown) => () => {
      throw error;
    },
  );
  return reasonOf(outcome);
}

/** Returns "decoded" or the code of the ClassifierError. Passes on all other exceptions. */
export function outcomeOf(run: () => unknown): string {
  try {
    run();
    return "decoded";
  } catch (error) {
    if (error instanceof ClassifierError) return error.reason.code;
    throw error;
  }
}
