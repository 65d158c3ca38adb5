/** Errors as data for RPC. */
import type { ClassifierError } from "../errors.ts";
import { headersOf, httpStatus, membersOf } from "../http/problem.ts";
import type { Failure } from "./contract.ts";

const members = ["parameter", "unit", "measured", "limit"] as const;

/** Converts an error to data. RPC would drop the class of a thrown error. */
export function failureOf(error: ClassifierError): Failure {
  const { reason, message } = error;
  const all = membersOf(reason);
  const kept = members.filter((name) => all[name] !== undefined).map((name) => [name, all[name]]);
  const retryAfter = headersOf(reason)["Retry-After"];
  return {
    code: reason.code,
    status: httpStatus(error),
    detail: message,
    ...(retryAfter === undefined ? {} : { retryAfterSeconds: Number(retryAfter) }),
    ...Object.fromEntries(kept),
  };
}
