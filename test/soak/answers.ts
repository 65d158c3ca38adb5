/** Whether an answer is right. */
import { type Answer, post } from "../../bench/common/requests.ts";
import type { Kind } from "./kinds.ts";

/** Returns why the body of a 200 is wrong, or undefined. */
export type Check = (body: string) => string | undefined;

/** Returns why the answer is wrong, or undefined. A 503 is right if it says that the Worker is overloaded. */
export function faultOf(answer: Answer, kind: Kind, check?: Check): string | undefined {
  const { status, headers, text } = answer;
  const code = member(text, "code");
  if (status === 503) {
    if (code !== "overloaded") return `a 503 with the code ${JSON.stringify(code)}, expected "overloaded"`;
    return /^[1-9]\d*$/.test(headers.get("Retry-After") ?? "") ? undefined : "a 503 without Retry-After";
  }
  if (!kind.statuses.includes(status)) {
    return `answered ${status}, expected ${kind.statuses.join(" or ")}: ${text.slice(0, 200)}`;
  }
  if (status === 200) return check?.(text);
  if (kind.code === undefined || code === kind.code) return undefined;
  return `its code is ${JSON.stringify(code)}, expected "${kind.code}"`;
}

/** Returns a member of a JSON document by its path, or undefined. */
export function member(text: string, ...path: readonly (string | number)[]): unknown {
  const step = (value: unknown, key: string | number) =>
    (value as Record<string | number, unknown> | null | undefined)?.[key];
  try {
    return path.reduce(step, JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

/** Checks later answers to a picture against those that were recorded while nothing else was under way. */
export class Reference {
  readonly #body: string;
  readonly #embedBody: string;

  /** @param body of /v1/classify @param embedBody of /v1/embed */
  constructor(body: string, embedBody: string) {
    this.#body = body;
    this.#embedBody = embedBody;
  }

  /** Asks for the answers. @throws Error when the Worker does not answer 200 */
  static async read(origin: string, jpeg: Uint8Array): Promise<Reference> {
    const { text } = await post(`${origin}/v1/classify`, jpeg);
    return new Reference(text, (await post(`${origin}/v1/embed`, jpeg)).text);
  }

  /** For the same file: the answer is the same, byte for byte. */
  bodyFault(body: string): string | undefined {
    return body === this.#body ? undefined : `another answer than before: ${body.slice(0, 200)}`;
  }

  /** For the same picture in another file: all scores are the same. @param path of the answer in the body */
  predictionsFault(body: string, ...path: (string | number)[]): string | undefined {
    const isSame = equal(member(body, ...path, "predictions"), member(this.#body, "predictions"));
    return isSame ? undefined : `other predictions than before: ${body.slice(0, 200)}`;
  }

  /** For the same picture in another file. */
  embeddingFault(body: string): string | undefined {
    const isSame = equal(member(body, "embedding"), member(this.#embedBody, "embedding"));
    return isSame ? undefined : `another embedding than before: ${body.slice(0, 200)}`;
  }

  /** For a form of the picture, half of it, and the picture. */
  formFault(body: string): string | undefined {
    const status = member(body, "results", 1, "status");
    if (status !== 422) return `the broken image of a form got ${status}, expected 422`;
    return this.predictionsFault(body, "results", 0) ?? this.predictionsFault(body, "results", 2);
  }
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
