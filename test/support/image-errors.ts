import { ClassifierError, type Reason } from "../../src/errors.ts";

/** The reason with which `run` fails; any outcome but a ClassifierError is passed on as a failure of the test. */
export function reasonOf(run: () => unknown): Reason {
  try {
    run();
  } catch (error) {
    if (error instanceof ClassifierError) return error.reason;
    throw error;
  }
  throw new Error("expected a ClassifierError, but nothing was thrown");
}

/** "decoded", or the code of the ClassifierError; every other exception goes through. */
export function outcomeOf(run: () => unknown): string {
  try {
    run();
    return "decoded";
  } catch (error) {
    if (error instanceof ClassifierError) return error.reason.code;
    throw error;
  }
}
