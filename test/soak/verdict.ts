/** Whether a soak went well. Pure. */

import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { isolateBytes as isolateLimit } from "../../src/limits.ts";
import { attackOf } from "./attacks/attacks.ts";
import { answers, type Tally, total } from "./measure/ledger.ts";
import type { Silence } from "./probes.ts";
import type { AttackPhase, Phase, SoakResults } from "./results.ts";

/** What the isolate may keep, in the least of each minute: the bar of the eight photographs at once. */
export const keptBytes = 100 * 2 ** 20;
/** What it may keep more at the end than after the first minute: results in the cache, and V8's moods. */
export const growthBytes = 16 * 2 ** 20;

/** What the resident memory of workerd may grow by in an attack: V8 collects garbage when it sees fit. */
export const residentGrowthBytes = 192 * 2 ** 20;
/** Milliseconds of the first request after a phase. */
export const maxNextMs = 1000;
/** Milliseconds of an image of 16 MiB after a phase: most of it is the upload. */
export const maxFullSizeMs = 2000;
/** Median time of small requests beside slow clients, over the idle one. */
export const maxBesideRatio = 2;

/** Everything that is wrong, a sentence each; none where all is well. */
export function faults({ sustained, attacks, overload, interrupted }: SoakResults): string[] {
  const found = [...phaseFaults("sustained traffic", sustained), ...memoryFaults(sustained)];
  for (const attack of attacks) found.push(...attackFaults(attack));
  if (overload) {
    found.push(...phaseFaults("overload", overload));
    const { answered } = total(overload.tallies);
    if (!interrupted && !answered["503"])
      found.push("overload: nothing was refused, so it was none; raise --concurrency");
    if (!answered["200"]) found.push("overload: no good answer came through");
  }
  return found;
}

/** What took longer than its bar, a sentence each. Times say little on a busy machine: tests do not look at these. */
export function delays({ sustained, attacks, overload }: SoakResults): string[] {
  const found: string[] = [];
  const phases: [string, Phase][] = [
    ["sustained traffic", sustained],
    ...attacks.map(({ name, phase }): [string, Phase] => [name, phase]),
    ...(overload ? [["overload", overload] as [string, Phase]] : []),
  ];
  for (const [name, { silence }] of phases) {
    const late = (what: string, ms: number, bar: number) => {
      if (ms > bar) found.push(`${name}: ${what} afterwards took ${numberText(ms)} ms, the bar is ${bar}`);
    };
    late("the next request", silence.next.ms, maxNextMs);
    late("an image of 16 MiB", silence.fullSize.ms, maxFullSizeMs);
  }
  const slow = attacks.find(({ name }) => name === "slow clients");
  const ratio = slow && besideRatio(slow);
  if (ratio !== undefined && !(ratio <= maxBesideRatio)) {
    found.push(
      `slow clients: a small request took ${numberText(ratio)} times as long as before, the bar is ${maxBesideRatio}`,
    );
  }
  return found;
}

/** Median time of small requests during the attack over that just before it. NaN where none was answered. */
export function besideRatio({ idle, phase }: AttackPhase): number {
  return (phase.latency.beside?.p50 ?? Number.NaN) / idle.p50;
}

function attackFaults({ name, phase }: AttackPhase): string[] {
  const found = phaseFaults(name, phase);
  const beside = phase.tallies.beside;
  const { "200": good = 0, ...others } = beside?.answered ?? {};
  if (good === 0) found.push(`${name}: no small request beside it was answered 200`);
  if (attackOf(name).leavesRoom) {
    for (const [status, count] of Object.entries(others))
      found.push(`${name}: ${count} small requests beside it got ${status}, expected 200`);
  }
  const resident = phase.memory.flatMap(({ processBytes }) => processBytes ?? []);
  const growth = Math.max(...resident) - (resident[0] ?? 0);
  if (resident.length > 0 && growth > residentGrowthBytes) {
    found.push(
      `${name}: the resident memory of workerd grew by ${mebibytesText(growth)} MiB, the bound is ${mebibytesText(residentGrowthBytes)}`,
    );
  }
  return found;
}

/** Whatever was sent: when it has ended, nothing is held and everything is answered. */
function silenceFaults(name: string, { next, fullSize, inFlight, settledSeconds }: Silence): string[] {
  const found: string[] = [];
  if (next.status !== 200)
    found.push(`${name}: the next request afterwards got ${next.status}, expected 200`);
  if (fullSize.status !== 200) {
    found.push(
      `${name}: an image of 16 MiB afterwards got ${fullSize.status}, expected 200: memory was not given back`,
    );
  }
  for (const [what, count] of Object.entries(inFlight)) {
    if (count !== 0)
      found.push(
        `${name}: ${what} is ${count} after ${numberText(settledSeconds)} s of silence, expected 0: it leaks`,
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
        `The overload sent ${numberText(sentPerSecond)} of ${numberText(overload.offeredPerSecond)} requests per second: the others were due while 256 requests were under way, or while the clients were busy.`,
      );
    }
  }
  return found;
}

/** Seconds in which requests were sent. */
function overloadSpan({ seconds, sendingSeconds }: Phase): number {
  return sendingSeconds ?? seconds;
}

function phaseFaults(name: string, { tallies, logged, examples, silence }: Phase): string[] {
  const sum = total(tallies);
  const found = silenceFaults(name, silence);
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
