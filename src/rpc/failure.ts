/** An error as data that can cross from Worker to Worker. */
import type { ClassifierError } from "../errors.ts";
import { headersOf, httpStatus, membersOf } from "../http/problem.ts";
import type { Failure } from "./contract.ts";

const members = ["parameter", "unit", "measured", "limit"] as const;

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
