/** Decides whether a soak passed. */
import { MiB } from "../../bench/common/report.ts";
import { mebibytesText, numberText } from "../../cli/plot/format.ts";
import { isolateBytes as isolateLimit } from "../../src/limits.ts";
import { attackOf } from "./attacks.ts";
import { answers, type Tally, total } from "./ledger.ts";
import type { Phase } from "./phase.ts";
import { type AttackPhase, phasesOf, type SoakResults } from "./run.ts";

/** The bounds of a soak. */
export const bounds = {
  /** Memory that the isolate keeps: the smallest sample of a minute. The bar of eight photographs at once. */
  keptBytes: 100 * MiB,
  /** Growth of the kept memory from the first minute to the last: cached results, and garbage that V8 leaves. */
  growthBytes: 16 * MiB,
  /** Growth of workerd's resident memory in an attack. V8 decides when to collect garbage. */
  residentGrowthBytes: 192 * MiB,
  /** Share of the requests of a phase that wrangler's proxy may drop before they reach the Worker. */
  unreachedShare: 0.01,
  /** Time of the first request after a phase. */
  nextMs: 1000,
  /** Time of an image of 16 MiB after a phase. Most of it is the upload. */
  fullSizeMs: 2000,
  /** Median time of small requests during `slow clients` over the idle median. */
  smallRatio: 2,
} as const;

/** A sentence, if its condition holds. */
type Finding = string | false;

/** Returns everything that is wrong, one sentence each. */
export function faults(results: SoakResults): string[] {
  const { sustained, attacks, overload, interrupted } = results;
  const counts = overload && total(overload.tallies).answered;
  return sentences([
    ...phasesOf(results).flatMap(([name, phase]) => prefixed(name, phaseFaults(phase))),
    ...prefixed("memory", memoryFaults(sustained)),
    ...attacks.flatMap((attack) => prefixed(attack.name, attackFaults(attack))),
    counts !== undefined &&
      !interrupted &&
      !counts["503"] &&
      "overload: nothing was refused, so the Worker was not overloaded; raise --concurrency",
    counts !== undefined && !counts["200"] && "overload: no request was answered 200",
  ]);
}

/** Returns what took longer than its bound, one sentence each. Tests ignore these: times depend on the machine. */
export function delays(results: SoakResults): string[] {
  const late = (what: string, ms: number, bound: number): Finding =>
    ms > bound && `${what} afterwards took ${numberText(ms)} ms, the bound is ${bound}`;
  const slow = results.attacks.find(({ name }) => name === "slow clients");
  const ratio = slow ? smallRatio(slow) : 0;
  return sentences([
    ...phasesOf(results).flatMap(([name, { silence }]) => [
      late(`${name}: the next request`, silence.next.ms, bounds.nextMs),
      late(`${name}: an image of 16 MiB`, silence.fullSize.ms, bounds.fullSizeMs),
    ]),
    !(ratio <= bounds.smallRatio) &&
      `slow clients: a small request took ${numberText(ratio)} times as long as before, the bound is ${bounds.smallRatio}`,
  ]);
}

/** Returns what is worth knowing but not the Worker's fault, one sentence each. */
export function remarks(results: SoakResults): string[] {
  const { sustained, overload } = results;
  const peak = Math.max(...sustained.memoryByMinute.map(({ peakBytes }) => peakBytes));
  const dueRate = overload?.offeredPerSecond ?? 0;
  const sentRate = overload ? total(overload.tallies).sent / overload.sendingSeconds : 0;
  return sentences([
    peak > isolateLimit &&
      `Including uncollected garbage, the isolate reached ${mebibytesText(peak)} MiB, over its limit of ${mebibytesText(isolateLimit)}. V8 decides when to collect garbage, and nothing here tells it of the limit.`,
    ...phasesOf(results).map(([name, { tallies }]): Finding => {
      const { unreached } = total(tallies);
      return (
        unreached > 0 &&
        `${name}: wrangler's proxy closed ${unreached} connections before the Worker saw a request.`
      );
    }),
    sentRate < 0.8 * dueRate &&
      `The overload sent ${numberText(sentRate)} of ${numberText(dueRate)} requests per second: the others were due while 256 requests were under way, or while the clients were busy.`,
  ]);
}

/** Returns the median time of small requests during the attack over the median just before it. NaN without answers. */
export function smallRatio({ idle, phase }: AttackPhase): number {
  return (phase.latency.small?.p50 ?? Number.NaN) / idle.p50;
}

/** Checks that requests and answers add up, that answers are right, and that nothing is held afterwards. */
function phaseFaults({ tallies, logged, examples, silence }: Phase): string[] {
  const sum = total(tallies);
  const found = sentences([
    ...silenceFaults(silence),
    ...Object.entries(tallies).map(([kind, tally]): Finding => {
      const ended = answers(tally) + tally.brokenOff + tally.cut + tally.unreached + tally.lost;
      return ended !== tally.sent && `${tally.sent} of ${kind} were sent, ${ended} ended`;
    }),
    sum.lost > 0 && `${sum.lost} requests got no answer`,
    sum.wrong > 0 && `${sum.wrong} answers were wrong`,
    sum.unreached > bounds.unreachedShare * sum.sent &&
      `${sum.unreached} of ${sum.sent} requests did not reach the Worker, the bound is ${numberText(100 * bounds.unreachedShare)}%`,
    ...Object.entries(sum.answered).map(
      ([status, count]): Finding => /^5(?!03)/.test(status) && `${count} answers were ${status}`,
    ),
    ...logFaults(sum, logged),
  ]);
  return found.length > 0 ? [...found, ...examples.map((example) => `for example: ${example}`)] : [];
}

/** The Worker's log has each answer. It may also have requests whose client got no answer. */
function logFaults(sum: Tally, logged: Phase["logged"]): Finding[] {
  const statuses = [...new Set([...Object.keys(sum.answered), ...Object.keys(logged)])];
  const difference = (status: string) => (logged[status] ?? 0) - (sum.answered[status] ?? 0);
  const extra = statuses.reduce((count, status) => count + Math.max(0, difference(status)), 0);
  const unanswered = sum.brokenOff + sum.cut + sum.lost;
  return [
    ...statuses.map(
      (status): Finding =>
        difference(status) < 0 &&
        `${sum.answered[status]} answers were ${status}, the Worker's log has ${logged[status] ?? 0}`,
    ),
    extra > unanswered &&
      `the Worker's log has ${extra} requests more than were answered, expected at most ${unanswered}`,
  ];
}

/** Whatever was sent: afterwards nothing is held and everything is answered. */
function silenceFaults({ next, fullSize, inFlight, settledSeconds }: Phase["silence"]): Finding[] {
  return [
    next.status !== 200 && `the next request afterwards got ${next.status}, expected 200`,
    fullSize.status !== 200 &&
      `an image of 16 MiB afterwards got ${fullSize.status}, expected 200: memory was not released`,
    ...Object.entries(inFlight).map(
      ([what, count]): Finding =>
        count !== 0 &&
        `${what} is ${count} after ${numberText(settledSeconds)} s of silence, expected 0: it leaks`,
    ),
  ];
}

function attackFaults({ name, phase }: AttackPhase): Finding[] {
  const { "200": good = 0, ...others } = phase.tallies.small?.answered ?? {};
  const [first = 0, ...later] = phase.memory.flatMap(({ processBytes }) => processBytes ?? []);
  const growth = Math.max(first, ...later) - first;
  return [
    good === 0 && "no small request was answered 200",
    ...Object.entries(others).map(
      ([status, count]): Finding =>
        attackOf(name).leavesRoom && `${count} small requests got ${status}, expected 200`,
    ),
    growth > bounds.residentGrowthBytes &&
      `the resident memory of workerd grew by ${mebibytesText(growth)} MiB, the bound is ${mebibytesText(bounds.residentGrowthBytes)}`,
  ];
}

function memoryFaults({ memoryByMinute }: Phase): Finding[] {
  const [first, last] = [memoryByMinute[0], memoryByMinute.at(-1)];
  if (!first || !last) return ["there are no samples"];
  const kept = Math.max(...memoryByMinute.map(({ floorBytes }) => floorBytes));
  return [
    kept > bounds.keptBytes &&
      `${mebibytesText(kept)} MiB are kept throughout a minute, the bound is ${mebibytesText(bounds.keptBytes)}`,
    last.floorBytes - first.floorBytes > bounds.growthBytes &&
      `it grows: ${mebibytesText(first.floorBytes)} MiB are kept in the first minute, ${mebibytesText(last.floorBytes)} in the last`,
  ];
}

function sentences(findings: readonly Finding[]): string[] {
  return findings.filter((finding) => finding !== false);
}

function prefixed(name: string, findings: readonly Finding[]): string[] {
  return sentences(findings).map((finding) => `${name}: ${finding}`);
}
