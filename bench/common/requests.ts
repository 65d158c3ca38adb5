/** Requests to a Worker, timed by the caller's clock. */
import type { DevWorker } from "../../cli/workerd/dev-worker.ts";
import { neverSeen } from "../pictures/photos.ts";

/** Longer than any request takes. A Worker that hangs fails one measurement instead of the whole run. */
const timeoutMs = 120_000;

/** An answer, and the milliseconds from the request to its last byte. */
export type TimedAnswer = Awaited<ReturnType<typeof ask>>;

/** What a Worker answered. */
export type Answer = Omit<TimedAnswer, "ms">;

/** What /readyz reports. It loads the model first. */
export interface Readiness {
  readonly model?: { readonly version: string };
  /** Size of ONNX Runtime's WASM memory. */
  readonly wasm_heap_bytes: number;
  readonly in_flight: InFlight;
}

/** What the requests of the isolate hold. */
export interface InFlight {
  readonly permits: number;
  readonly permit_bytes: number;
  readonly waiting: number;
}

/** Sends a request and reads the answer. @throws Error when no answer comes in time */
export async function ask(url: string | URL, init: RequestInit = {}) {
  const startedMs = performance.now();
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, ms: performance.now() - startedMs };
}

/** Posts an image and reads the answer. @throws Error unless the status is 200 */
export async function post(url: string, image: Uint8Array): Promise<TimedAnswer> {
  const answer = await ask(url, { method: "POST", body: image as BodyInit });
  if (answer.status === 200) return answer;
  throw new Error(`${url} answered ${answer.status}, expected 200: ${answer.text.slice(0, 300)}`);
}

/** Reads a JSON document. */
export async function getJson<T>(url: string | URL): Promise<T> {
  return JSON.parse((await ask(url)).text) as T;
}

/** Reads /readyz. */
export function readReadiness(origin: string | URL): Promise<Readiness> {
  return getJson(new URL("/readyz", origin));
}

/** Returns the size of ONNX Runtime's WASM memory in bytes, and loads the model first. */
export async function ortHeapBytes(origin: string): Promise<number> {
  return (await readReadiness(origin)).wasm_heap_bytes;
}

/** Calls `work` one time after the other and returns the results. */
export async function repeat<T>(times: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < times; i++) results.push(await work(i));
  return results;
}

/** Runs `work` and measures the CPU time of the Worker's process meanwhile. @returns no CPU times off Linux */
export async function withCpu<T>(worker: DevWorker, work: () => Promise<T>): Promise<[T, number[]]> {
  const before = await worker.cpuMs();
  const result = await work();
  const after = await worker.cpuMs();
  return [result, before === undefined || after === undefined ? [] : [after - before]];
}

/** Returns the times of answers, in milliseconds. */
export const msOf = (answers: readonly TimedAnswer[]) => answers.map(({ ms }) => ms);

/** Sends one request after the other. Each image is new, so the Worker computes each answer. */
export function sendEach(url: string, jpeg: Uint8Array, times: number): Promise<TimedAnswer[]> {
  return repeat(times, () => post(url, neverSeen(jpeg)));
}

/** Sends `count` requests at once. @returns milliseconds until the last is answered, and of each */
export async function sendAtOnce(url: string, jpeg: Uint8Array, count: number) {
  const jpegs = Array.from({ length: count }, () => neverSeen(jpeg));
  const startedMs = performance.now();
  const answers = await Promise.all(jpegs.map((each) => post(url, each)));
  return { totalMs: performance.now() - startedMs, eachMs: msOf(answers) };
}

/** Sends a few requests, so that V8 has compiled what the next ones run. */
export async function warmUp(url: string, jpeg: Uint8Array): Promise<void> {
  await sendEach(url, jpeg, 4);
}

/** Reads the milliseconds of one stage of our Worker from the Server-Timing header. NaN when the stage is missing. */
export function stageMs(headers: Headers, stage: string): number {
  const found = new RegExp(`(?:^|,)\\s*${stage};dur=([\\d.]+)`).exec(headers.get("Server-Timing") ?? "");
  return found ? Number(found[1]) : Number.NaN;
}
