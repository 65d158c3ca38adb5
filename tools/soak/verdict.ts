/** Whether a soak went well. Pure. */
import { isolateBytes as isolateLimit } from "../../src/limits.ts";
import { mebibytesText, numberText } from "../plot/format.ts";
import { answers, type Tally, total } from "./measure/ledger.ts";
import type { Phase, SoakResults } from "./results.ts";

/** What the isolate may keep, in the least of each minute: the bar of the eight photographs at once. */
export const keptBytes = 100 * 2 ** 20;
/** What it may keep more at the end than after the first minute: results in the cache, and V8's moods. */
export const growthBytes = 16 * 2 ** 20;

/** Everything that is wrong, a sentence each; none where all is well. */
export function faults({ sustained, overload, recovery, fullSize, interrupted }: SoakResults): string[] {
  const found = [...phaseFaults("sustained traffic", sustained), ...memoryFaults(sustained)];
  if (overload) {
    found.push(...phaseFaults("overload", overload));
    const { answered } = total(overload.tallies);
    if (!interrupted && !answered["503"])
      found.push("overload: nothing was refused, so it was none; raise --concurrency");
    if (!answered["200"]) found.push("overload: no good answer came through");
  }
  if (recovery && recovery.first.status !== 200)
    found.push(`recovery: the first request after the overload got ${recovery.first.status}, expected 200`);
  for (const [i, status] of fullSize.entries()) {
    const after = i === 0 ? "sustained traffic" : "overload";
    if (status !== 200)
      found.push(
        `${after}: an image as large as may be got ${status} afterwards, expected 200: room was lost`,
      );
  }
  return found;
}

/** What is no fault of the Worker's and yet to be known, a sentence each. */
export function remarks({ sustained, overload }: SoakResults): string[] {
  const found: string[] = [];
  const peak = Math.max(...sustained.memoryByMinute.map(({ peakBytes }) => peakBytes));
  if (peak > isolateLimit) {
    found.push(
      `With what was not collected yet the isolate came to ${mebibytesText(peak)} MiB, over the ${mebibytesText(isolateLimit)} of its limit: V8 takes garbage when it sees fit, and nothing here tells it of a limit.`,
    );
  }
  if (overload?.offeredPerSecond) {
    const sentPerSecond = total(overload.tallies).sent / overloadSpan(overload);
    if (sentPerSecond < 0.8 * overload.offeredPerSecond) {
      found.push(
        `The clients could not keep up in the overload: ${numberText(sentPerSecond)} of ${numberText(overload.offeredPerSecond)} requests a second were sent, and their lateness is in the latencies.`,
      );
    }
  }
  return found;
}

/** Seconds in which requests were sent. */
function overloadSpan({ seconds, sendingSeconds }: Phase): number {
  return sendingSeconds ?? seconds;
}

function phaseFaults(name: string, { tallies, logged, examples }: Phase): string[] {
  const sum = total(tallies);
  const found: string[] = [];
  for (const [kind, tally] of Object.entries(tallies)) {
    const ended = answers(tally) + tally.brokenOff + tally.cut + tally.lost;
    if (ended !== tally.sent) found.push(`${name}: ${tally.sent} of ${kind} were sent, ${ended} ended`);
  }
  if (sum.lost > 0) found.push(`${name}: ${sum.lost} requests got no answer`);
  if (sum.wrong > 0) found.push(`${name}: ${sum.wrong} answers were wrong`);
  const broken = Object.keys(sum.answered).filter((status) => status.startsWith("5") && status !== "503");
  for (const status of broken) found.push(`${name}: ${sum.answered[status]} answers were ${status}`);
  found.push(...logFaults(name, sum, logged));
  return found.length > 0 ? [...found, ...examples.map((example) => `${name}, for example: ${example}`)] : [];
}

/** The Worker's log knows each answer; and of clients that went away it may know more. */
function logFaults(name: string, sum: Tally, logged: Readonly<Record<string, number>>): string[] {
  const found: string[] = [];
  let more = 0;
  for (const status of new Set([...Object.keys(sum.answered), ...Object.keys(logged)])) {
    const [seen, told] = [sum.answered[status] ?? 0, logged[status] ?? 0];
    if (told < seen) found.push(`${name}: ${seen} answers were ${status}, the Worker's log has ${told}`);
    more += Math.max(0, told - seen);
  }
  const unseen = sum.brokenOff + sum.cut + sum.lost;
  if (more > unseen)
    found.push(
      `${name}: the Worker's log has ${more} requests more than were answered, at most ${unseen} broke off`,
    );
  return found;
}

function memoryFaults({ memoryByMinute }: Phase): string[] {
  const [first, last] = [memoryByMinute[0], memoryByMinute.at(-1)];
  if (!first || !last) return ["memory: it was not seen"];
  const found: string[] = [];
  const kept = Math.max(...memoryByMinute.map(({ floorBytes }) => floorBytes));
  if (kept > keptBytes) {
    found.push(
      `memory: ${mebibytesText(kept)} MiB are kept throughout a minute, the bound is ${mebibytesText(keptBytes)}`,
    );
  }
  if (last.floorBytes - first.floorBytes > growthBytes) {
    found.push(
      `memory: it grows: ${mebibytesText(first.floorBytes)} MiB are kept in the first minute, ${mebibytesText(last.floorBytes)} in the last`,
    );
  }
  return found;
}
