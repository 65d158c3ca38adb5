/** Sends pictures to a Worker and times the answers. */
import { post, repeat, type TimedAnswer } from "../common/requests.ts";
import { neverSeen } from "../pictures/photos.ts";

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
