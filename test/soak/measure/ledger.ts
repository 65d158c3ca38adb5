/** Books of what was sent and what became of it. No clock, no I/O. */
import type { Outcome } from "../traffic/client.ts";
import { type KindName, kindNames, kindOf } from "../traffic/kinds.ts";

export interface Tally {
  /** Requests begun. */
  readonly sent: number;
  /** Answers by status. */
  readonly answered: Readonly<Record<string, number>>;
  /** Answers by X-Cache. */
  readonly cache: Readonly<Record<string, number>>;
  /** Ended by the client, as it was to. */
  readonly brokenOff: number;
  /**
   * Answered before the body was read, rightly so by the Worker's log, but cut off while the body was still being sent, so
   * that the answer did not get through.
   */
  readonly cut: number;
  /** Ended without an answer that was waited for. */
  readonly lost: number;
  /** Answers that are not the expected ones. */
  readonly wrong: number;
}

/** One answer. */
export interface Sample {
  readonly kind: KindName;
  readonly status: number;
  /** When it came, since the phase began. */
  readonly atMs: number;
  /** How long it took. */
  readonly ms: number;
}

/** Examples of what went wrong are kept up to this many. */
const maxExamples = 10;

type Counts = { -readonly [Key in keyof Tally]: Tally[Key] extends number ? number : Record<string, number> };

export class Ledger {
  readonly #tallies = new Map<KindName, Counts>();
  readonly #lost: { readonly kind: KindName; readonly id: string; readonly reason: string }[] = [];
  readonly samples: Sample[] = [];
  readonly examples: string[] = [];

  /** All requests of one turn are about to be sent. */
  sent(kind: KindName): void {
    this.#tally(kind).sent += kindOf(kind).requests;
  }

  ended(kind: KindName, outcome: Outcome, atMs: number, ms: number): void {
    const tally = this.#tally(kind);
    switch (outcome.end) {
      case "answered":
        count(tally.answered, String(outcome.status));
        if (outcome.cache) count(tally.cache, outcome.cache);
        this.samples.push({ kind, status: outcome.status, atMs, ms });
        if (!outcome.wrong) return;
        tally.wrong++;
        this.#example(`${kind}: ${outcome.wrong}`);
        return;
      case "broken-off":
        tally.brokenOff++;
        return;
      case "lost":
        tally.lost++;
        this.#lost.push({ kind, id: outcome.id, reason: outcome.reason });
    }
  }

  /** Tells apart which of the lost requests the Worker did refuse as it should. @param statuses of its log, by request id */
  settle(statuses: ReadonlyMap<string, string>): void {
    for (const { kind, id, reason } of this.#lost.splice(0)) {
      const logged = statuses.get(id);
      const { status, also = [] } = kindOf(kind);
      const refusals = [503, status ?? 0, ...also].filter((each) => each >= 400).map(String);
      if (logged !== undefined && refusals.includes(logged)) {
        this.#tally(kind).lost--;
        this.#tally(kind).cut++;
      } else this.#example(`${kind}: no answer: ${reason}; the Worker's log has ${logged ?? "nothing"}`);
    }
  }

  /** In the order of kinds.ts; those that were not sent are left out. */
  get tallies(): Readonly<Partial<Record<KindName, Tally>>> {
    return Object.fromEntries(
      kindNames.flatMap((kind) => (this.#tallies.has(kind) ? [[kind, this.#tallies.get(kind)]] : [])),
    );
  }

  #tally(kind: KindName): Counts {
    const known = this.#tallies.get(kind);
    if (known) return known;
    const fresh: Counts = { sent: 0, answered: {}, cache: {}, brokenOff: 0, cut: 0, lost: 0, wrong: 0 };
    this.#tallies.set(kind, fresh);
    return fresh;
  }

  #example(text: string): void {
    if (this.examples.length < maxExamples) this.examples.push(text);
  }
}

/** The sum of tallies. */
export function total(tallies: Readonly<Partial<Record<KindName, Tally>>>): Tally {
  const sum: Counts = { sent: 0, answered: {}, cache: {}, brokenOff: 0, cut: 0, lost: 0, wrong: 0 };
  for (const tally of Object.values(tallies)) {
    for (const key of ["sent", "brokenOff", "cut", "lost", "wrong"] as const) sum[key] += tally[key];
    for (const key of ["answered", "cache"] as const) {
      for (const [name, number] of Object.entries(tally[key])) count(sum[key], name, number);
    }
  }
  return sum;
}

export function answers({ answered }: Tally): number {
  return Object.values(answered).reduce((sum, number) => sum + number, 0);
}

function count(counts: Record<string, number>, key: string, by = 1): void {
  counts[key] = (counts[key] ?? 0) + by;
}
