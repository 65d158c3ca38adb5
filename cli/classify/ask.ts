/** Sends images to a Worker, and keeps its answers. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Prediction } from "../../src/model/scores.ts";
import { sendTo } from "../store/worker-http.ts";
import { CommandError } from "../terminal/fail.ts";
import type { Input } from "./inputs.ts";

/** The Worker's answer for one image. */
export interface Answer {
  /** Name of the input. */
  readonly file: string;
  /** HTTP status; null if the image could not be read, so that nothing was sent. */
  readonly status: number | null;
  readonly body: {
    readonly model?: { readonly name: string; readonly version: string };
    readonly image?: { readonly width: number; readonly height: number };
    readonly predictions?: readonly Prediction[];
    readonly confident?: boolean;
    readonly detail?: string;
  };
}

/** Sends one image to `/v1/classify`. */
export type Post = (image: Uint8Array<ArrayBuffer>) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  json(): Promise<unknown>;
}>;

const attempts = 3;

/**
 * Returns the answer for an input. A busy Worker is asked again twice, when it says.
 * @throws CommandError when the Worker cannot be reached, or refuses the key
 */
export async function ask({ name: file, read }: Input, post: Post): Promise<Answer> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await read();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { file, status: null, body: { detail: error.message } };
  }
  for (let attempt = 1; ; attempt++) {
    const response = await post(bytes);
    const body = (await response.json().catch(() => ({
      detail: "the answer is not JSON; expected a Worker of this project at --worker",
    }))) as Answer["body"];
    if (response.status !== 503 || attempt === attempts) return { file, status: response.status, body };
    await sleep(1000 * Number(response.headers.get("Retry-After") ?? 1));
  }
}

/**
 * Returns a function that sends images to a deployed Worker.
 * @param endpoint its address
 * @param key API key, if the Worker requires one
 * @throws CommandError when the address is not https, except on this machine
 */
export function postTo(endpoint: string, query: string, key: string | undefined): Post {
  const send = sendTo(endpoint, key);
  const headers = { "Content-Type": "application/octet-stream" };
  return (body) => send(`/v1/classify${query}`, { method: "POST", body, headers });
}
