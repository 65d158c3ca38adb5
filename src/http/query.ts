/** Query parameters, checked. */
import { ClassifierError } from "../errors.ts";
import { defaultTopK } from "../limits.ts";
import type { Pack } from "../model/pack.ts";
import { topKSchema } from "./schemas/classify.ts";

/**
 * top_k: an integer from 1 to the class count. What no model could take is refused at once; the returned
 * function checks the rest against the pack and gives the number of predictions.
 * @throws ClassifierError invalid_parameter
 */
export function parseTopK(value: string | undefined): (pack: Pack) => number {
  const parsed = topKSchema.optional().safeParse(value);
  if (!parsed.success) {
    const zero = /^0+$/.test(value ?? "") ? ([0, 1] as const) : [];
    throw invalid(value ?? "", "an integer of at least 1", ...zero);
  }
  const requested = parsed.data;
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
