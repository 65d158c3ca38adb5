/** The right answers for one picture, asked for when nothing else was under way. */
import { member } from "./answer.ts";

export class Reference {
  readonly #body: string;
  readonly #predictions: string;
  readonly #embedding: string;

  /** @param body of /v1/classify @param embedBody of /v1/embed */
  constructor(body: string, embedBody: string) {
    this.#body = body;
    this.#predictions = JSON.stringify(member(body, "predictions"));
    this.#embedding = JSON.stringify(member(embedBody, "embedding"));
  }

  /** For the very same file: the answer is the same, byte for byte. */
  bodyFault(body: string): string | undefined {
    return body === this.#body ? undefined : `another answer than before: ${body.slice(0, 200)}`;
  }

  /** For the same picture in another file: all scores are the same. */
  predictionsFault(body: string): string | undefined {
    return this.#predictionsAre(member(body, "predictions"));
  }

  embeddingFault(body: string): string | undefined {
    const same = JSON.stringify(member(body, "embedding")) === this.#embedding;
    return same ? undefined : `another embedding than before: ${body.slice(0, 200)}`;
  }

  /** For a form of the picture, half of it, and the picture. */
  formFault(body: string): string | undefined {
    const status = member(body, "results", 1, "status");
    return (
      this.#predictionsAre(member(body, "results", 0, "predictions")) ??
      (status === 422 ? undefined : `the broken image of a form got ${status}, expected 422`) ??
      this.#predictionsAre(member(body, "results", 2, "predictions"))
    );
  }

  #predictionsAre(predictions: unknown): string | undefined {
    const text = JSON.stringify(predictions);
    return text === this.#predictions ? undefined : `other predictions than before: ${text?.slice(0, 200)}`;
  }
}

/** @throws Error when the Worker does not answer 200 */
export async function readReference(origin: string, jpeg: Uint8Array): Promise<Reference> {
  const ask = async (path: string) => {
    const response = await fetch(`${origin}${path}`, { method: "POST", body: jpeg as BodyInit });
    const text = await response.text();
    if (response.status !== 200)
      throw new Error(`${path} answered ${response.status}: ${text.slice(0, 300)}`);
    return text;
  };
  return new Reference(await ask("/v1/classify"), await ask("/v1/embed"));
}
