/** Requests to a Worker, timed by the caller's clock. */

import type { DevWorker } from "../cli/workerd/dev-worker.ts";
import { neverSeen } from "./pictures/photos.ts";

/** Longer than any request here takes. A Worker that hangs fails its subject instead of the whole run. */
const timeoutMs = 120_000;

/** What is measured of one request. */
export interface Answer {
  readonly ms: number;
  readonly headers: Headers;
}

/** Sends a JPEG and reads the answer. @throws Error unless the status is 200 */
export async function send(url: string, jpeg: Uint8Array): Promise<Answer> {
  const startedMs = performance.now();
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { method: "POST", body: jpeg as BodyInit, signal });
  const text = await response.text();
  const ms = performance.now() - startedMs;
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return { ms, headers: response.headers };
}

/** Sends one request after the other. No cache knows the images: the Worker computes each answer. */
export function sendEach(url: string, jpeg: Uint8Array, times: number): Promise<Answer[]> {
  return repeat(times, () => send(url, neverSeen(jpeg)));
}

/** Sends `count` requests at once. @returns milliseconds until the last is answered, and of each */
export async function sendAtOnce(url: string, jpeg: Uint8Array, count: number) {
  const jpegs = Array.from({ length: count }, () => neverSeen(jpeg));
  const startedMs = performance.now();
  const answers = await Promise.all(jpegs.map((each) => send(url, each)));
  return { totalMs: performance.now() - startedMs, eachMs: msOf(answers) };
}

/** Calls `work` one time after the other and returns the results. */
export async function repeat<T>(times: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < times; i++) results.push(await work(i));
  return results;
}

/** The times of some answers, in milliseconds. */
export const msOf = (answers: readonly Answer[]) => answers.map(({ ms }) => ms);

/** Reads a JSON document. */
export async function getJson<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** Size of ONNX Runtime's WASM memory in bytes, which loads the model first. */
export async function ortHeapBytes(origin: string): Promise<number> {
  return (await getJson<{ wasm_heap_bytes: number }>(`${origin}/readyz`)).wasm_heap_bytes;
}

/** Milliseconds of one stage of our Worker, from its Server-Timing header. NaN where the header has no such stage. */
export function stageMs(headers: Headers, stage: string): number {
  const found = new RegExp(`(?:^|,)\\s*${stage};dur=([\\d.]+)`).exec(headers.get("Server-Timing") ?? "");
  return found ? Number(found[1]) : Number.NaN;
}

/** Runs `work` and measures the CPU time of the Worker's process meanwhile. @returns no CPU times off Linux */
export async function withCpu<T>(worker: DevWorker, work: () => Promise<T>): Promise<[T, number[]]> {
  const before = await worker.cpuMs();
  const result = await work();
  const after = await worker.cpuMs();
  return [result, before === undefined || after === undefined ? [] : [after - before]];
}

/** Sends a few requests, so that V8 has compiled what the next ones run. */
export async function warmUp(url: string, jpeg: Uint8Array): Promise<void> {
  await sendEach(url, jpeg, 4);
}
