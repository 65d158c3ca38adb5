/** What came back for one request, and whether that is right. Pure. */
import type { Kind } from "./kinds.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Why a 200 is not right; undefined where it is. */
export type Check = (body: string) => string | undefined;

/** Why the answer is wrong; undefined where it is right. A refusal for want of room is right if it says so. */
export function faultOf(answer: Answer, kind: Kind, check: Check = () => undefined): string | undefined {
  const { status, text } = answer;
  if (status === 503) return refusalFault(answer);
  if (status !== kind.status && !kind.also?.includes(status))
    return `answered ${status}, expected ${kind.status}: ${text.slice(0, 200)}`;
  if (status === 200) return check(text);
  const code = member(text, "code");
  return kind.code === undefined || code === kind.code
    ? undefined
    : `its code is ${JSON.stringify(code)}, expected "${kind.code}"`;
}

function refusalFault({ headers, text }: Answer): string | undefined {
  const code = member(text, "code");
  if (code !== "overloaded") return `a 503 with the code ${JSON.stringify(code)}, expected "overloaded"`;
  return /^[1-9]\d*$/.test(headers.get("Retry-After") ?? "") ? undefined : "a 503 without Retry-After";
}

/** A member of a JSON document, by its path; undefined where it is not there. */
export function member(text: string, ...path: readonly (string | number)[]): unknown {
  const step = (value: unknown, key: string | number) =>
    (value as Record<string | number, unknown> | null | undefined)?.[key];
  try {
    return path.reduce(step, JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
