/**
 * A client of the HTTP API in TypeScript, without dependencies. Run it:
 *
 *     npx node examples/client/classify.ts http://localhost:8787 examples/images/teapot.jpg
 */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

/** One class of the answer. */
export interface Prediction {
  readonly label: string;
  /** Probability, 0 to 1. */
  readonly score: number;
}

const attempts = 3;

/**
 * Classifies a JPEG. Retries twice while the Worker is busy.
 * @param endpoint the Worker's URL
 * @param options.topK number of predictions
 * @param options.key API key, if the Worker requires one
 * @throws Error with the code and the detail of the Worker's problem response
 */
export async function classify(
  endpoint: string,
  jpeg: Uint8Array<ArrayBuffer>,
  options: { readonly topK?: number; readonly key?: string } = {},
): Promise<readonly Prediction[]> {
  const url = new URL("/v1/classify", endpoint);
  url.searchParams.set("top_k", String(options.topK ?? 5));
  const headers = new Headers({ "Content-Type": "image/jpeg" });
  if (options.key) headers.set("Authorization", `Bearer ${options.key}`);
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, { method: "POST", body: jpeg, headers });
    const answer = (await response.json()) as { predictions: Prediction[]; code: string; detail: string };
    if (response.ok) return answer.predictions;
    if (response.status !== 503 || attempt === attempts) throw new Error(`${answer.code}: ${answer.detail}`);
    // The Worker is busy or still loading its model, and says when to retry.
    const seconds = Number(response.headers.get("Retry-After") ?? 1);
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [endpoint, file] = process.argv.slice(2);
  if (!endpoint || !file) throw new Error("usage: npx node examples/client/classify.ts ENDPOINT FILE");
  for (const { label, score } of await classify(endpoint, Uint8Array.from(await readFile(file)))) {
    console.log(`${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
  }
}
