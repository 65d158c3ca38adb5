/** Parameters, checked, from a query or from options of the same meaning. */
import { ClassifierError } from "../errors.ts";
import { defaultTopK } from "../limits.ts";
import { packNameSchema } from "../model/manifest.ts";
import { type FunctionToApply, functionsToApply } from "../model/scores.ts";
import { topKSchema } from "./schemas/classify.ts";

/**
 * top_k: an integer from 1 to the class count. What no model could take is refused at once; the returned
 * function checks the rest against the class count and gives the number of predictions.
 * @param parameter what the caller calls it
 * @throws ClassifierError invalid_parameter
 */
export function parseTopK(value: string | undefined, parameter = "top_k"): (classes: number) => number {
  const invalid = (expected: string, range: { measured: number; limit: number } | object = {}) =>
    new ClassifierError({ code: "invalid_parameter", parameter, value: value ?? "", expected, ...range });
  const parsed = topKSchema.optional().safeParse(value);
  if (!parsed.success) {
    throw invalid("an integer of at least 1", /^0+$/.test(value ?? "") ? { measured: 0, limit: 1 } : {});
  }
  const requested = parsed.data;
  return (classes) => {
    if (requested === undefined) return Math.min(defaultTopK, classes);
    if (requested > classes) {
      const expected = `an integer from 1 to ${classes}, the number of classes`;
      throw invalid(expected, { measured: requested, limit: classes });
    }
    return requested;
  };
}

/** @throws ClassifierError invalid_parameter */
export function parseFunctionToApply(
  value: string | undefined,
  parameter = "function_to_apply",
): FunctionToApply {
  return parseChoice(parameter, value, functionsToApply) ?? "softmax";
}

/**
 * One of a few words, or undefined when there is none.
 * @throws ClassifierError invalid_parameter
 */
export function parseChoice<T extends string>(
  parameter: string,
  value: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const choice = choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw new ClassifierError({ code: "invalid_parameter", parameter, value, expected: choices.join(" or ") });
}

/** A head that is asked for, and whether to tell that an image is of none of its classes. */
export interface HeadChoice {
  readonly name: string;
  readonly unknown: boolean;
}

/**
 * Undefined when the model's own classes are asked for.
 * @throws ClassifierError invalid_parameter
 */
export function parseHeadChoice(
  name: string | undefined,
  unknown: string | undefined,
): HeadChoice | undefined {
  const tells = parseChoice("unknown", unknown, ["true", "false"]) === "true";
  if (name === undefined) {
    if (!tells) return undefined;
    const expected = "it together with head: the model's own classes have no measure of unknown images";
    throw new ClassifierError({ code: "invalid_parameter", parameter: "unknown", value: "true", expected });
  }
  const parsed = packNameSchema.safeParse(name);
  if (parsed.success) return { name: parsed.data, unknown: tells };
  const expected = (parsed.error.issues[0]?.message ?? "the name of a head").replace(/^expected /, "");
  throw new ClassifierError({ code: "invalid_parameter", parameter: "head", value: name, expected });
}
