/** Requests to a Worker, timed by the caller's clock. */
import { neverSeen } from "../pictures/photos.ts";
import type { DevWorker } from "../workerd/dev-worker.ts";

/** Longer than anything here takes: a Worker that hangs fails its subject instead of the whole run. */
const timeoutMs = 120_000;

/** Sends a JPEG and reads the answer. @throws Error unless it is a 200 */
export async function send(url: string, jpeg: Uint8Array): Promise<{ ms: number; headers: Headers }> {
  const startedMs = performance.now();
  const response = await fetch(url, {
    method: "POST",
    body: jpeg as BodyInit,
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  const ms = performance.now() - startedMs;
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return { ms, headers: response.headers };
}

/** Milliseconds of each of `times` requests one after the other, each with a file that no cache knows. */
export async function sendEach(url: string, jpeg: Uint8Array, times: number): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < times; i++) ms.push((await send(url, neverSeen(jpeg))).ms);
  return ms;
}

/** Sends them all at once; milliseconds until the last is answered, and of each. */
export async function sendAtOnce(
  url: string,
  jpegs: readonly Uint8Array[],
): Promise<{ totalMs: number; eachMs: number[] }> {
  const startedMs = performance.now();
  const answers = await Promise.all(jpegs.map((jpeg) => send(url, jpeg)));
  return { totalMs: performance.now() - startedMs, eachMs: answers.map(({ ms }) => ms) };
}

/** Milliseconds of one stage of our Worker, as its Server-Timing header tells. */
export function stageMs(headers: Headers, stage: string): number {
  const found = new RegExp(`(?:^|,)\\s*${stage};dur=([\\d.]+)`).exec(headers.get("Server-Timing") ?? "");
  return found ? Number(found[1]) : Number.NaN;
}

/** Milliseconds of CPU that the Worker's process spends while `work` runs; nothing where it cannot be told. */
export async function cpuDuring(worker: DevWorker, work: () => Promise<void>): Promise<number[]> {
  const before = await worker.cpuMs();
  await work();
  const after = await worker.cpuMs();
  return before === undefined || after === undefined ? [] : [after - before];
}

/** Waits until requests cost no more than usual: V8 optimises hot code in its own time. */
export async function warmUp(url: string, jpeg: Uint8Array, times = 4): Promise<void> {
  await sendEach(url, jpeg, times);
}
