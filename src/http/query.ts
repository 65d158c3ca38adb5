/** Query parameters, checked. */
import { ClassifierError } from "../errors.ts";
import { defaultTopK } from "../limits.ts";
import type { Pack } from "../model/pack.ts";

/**
 * top_k: an integer from 1 to the class count. What no model could take is refused at once; the returned
 * function checks the rest against the pack and gives the number of predictions.
 * @throws ClassifierError invalid_parameter
 */
export function parseTopK(value: string | undefined): (pack: Pack) => number {
  if (value !== undefined && !/^\d{1,9}$/.test(value)) throw invalid(value, "an integer of at least 1");
  const requested = value === undefined ? undefined : Number(value);
  if (requested === 0) throw invalid("0", "an integer of at least 1", 0, 1);
  return ({ manifest: { classes } }) => {
    if (requested === undefined) return Math.min(defaultTopK, classes);
    if (requested > classes) {
      throw invalid(
        String(requested),
        `an integer from 1 to ${classes}, the number of classes`,
        requested,
        classes,
      );
    }
    return requested;
  };
}

function invalid(value: string, expected: string, measured?: number, limit?: number): ClassifierError {
  const range = measured === undefined || limit === undefined ? {} : { measured, limit };
  return new ClassifierError({ code: "invalid_parameter", parameter: "top_k", value, expected, ...range });
}
