/** Counts what was sent and how it ended, in the clients and in the Worker's log. */
import type { Outcome } from "./client.ts";
import { type KindName, kindNames, kindOf } from "./kinds.ts";

/** Counts of the requests of one kind. sent = answered + brokenOff + cut + unreached + lost. */
export type Tally = ReturnType<typeof emptyTally>;

/** Tallies by kind, in the order of kinds.ts. */
export type Tallies = Readonly<Partial<Record<KindName, Tally>>>;

/** One answer. */
export interface Sample {
  readonly kind: KindName;
  readonly status: number;
  /** When it arrived, since the phase began. */
  readonly atMs: number;
  /** How long it took. */
  readonly ms: number;
}

type Lost = Extract<Outcome, { end: "lost" }>;

const maxExamples = 10;
const numbers = ["sent", "brokenOff", "cut", "unreached", "lost", "wrong"] as const;

/** Returns a tally without any requests. */
export function emptyTally() {
  return {
    sent: 0,
    /** The client disconnected, as planned. */
    brokenOff: 0,
    /**
     * The Worker refused the request before it read the whole body, as its log shows, but the connection closed while
     * the body was still being sent. wrangler's proxy then drops the answer.
     */
    cut: 0,
    /** The connection closed, and the Worker's log does not have the request: wrangler's proxy closed it. */
    unreached: 0,
    /** There was no answer although the Worker's log has one, or no answer in time. */
    lost: 0,
    /** Answers that are not the expected ones. They count as answered too. */
    wrong: 0,
    /** Answers by status. */
    answered: {} as Record<string, number>,
    /** Answers by X-Cache. */
    cache: {} as Record<string, number>,
  };
}

/** The counts of a phase. */
export class Ledger {
  readonly samples: Sample[] = [];
  /** The first things that went wrong. */
  readonly examples: string[] = [];
  readonly #tallies = new Map<KindName, Tally>();
  readonly #lost: (Lost & { readonly kind: KindName })[] = [];

  /** Counts all requests of one turn, which are about to be sent. */
  sent(kind: KindName): void {
    this.#tally(kind).sent += kindOf(kind).requests;
  }

  /** Counts how a request ended. */
  ended(kind: KindName, outcome: Outcome, atMs: number, ms: number): void {
    const tally = this.#tally(kind);
    if (outcome.end === "broken-off") {
      tally.brokenOff++;
    } else if (outcome.end === "lost") {
      tally.lost++;
      this.#lost.push({ ...outcome, kind });
    } else {
      const { status, cache, wrong } = outcome;
      add(tally.answered, status);
      if (cache) add(tally.cache, cache);
      if (wrong) tally.wrong++;
      if (wrong) this.#example(`${kind}: ${wrong}`);
      this.samples.push({ kind, status, atMs, ms });
    }
  }

  /** Finds out what happened to the requests without an answer. @param statuses of the Worker's log, by request id */
  settle(statuses: ReadonlyMap<string, string>): void {
    for (const { kind, id, reason, isDisconnect } of this.#lost.splice(0)) {
      const logged = statuses.get(id);
      const refusals = [503, ...kindOf(kind).statuses].filter((status) => status >= 400).map(String);
      const isCut = logged !== undefined && refusals.includes(logged);
      const isUnreached = logged === undefined && isDisconnect;
      if (isCut || isUnreached) {
        const tally = this.#tally(kind);
        tally.lost--;
        tally[isCut ? "cut" : "unreached"]++;
      } else {
        this.#example(`${kind}: no answer: ${reason}; the Worker's log has ${logged ?? "nothing"}`);
      }
    }
  }

  /** The tallies of the kinds that were sent. Until settle(), every request without an answer counts as lost. */
  get tallies(): Tallies {
    return Object.fromEntries(
      kindNames.flatMap((kind) => (this.#tallies.has(kind) ? [[kind, this.#tallies.get(kind)]] : [])),
    );
  }

  #tally(kind: KindName): Tally {
    const tally = this.#tallies.get(kind) ?? emptyTally();
    this.#tallies.set(kind, tally);
    return tally;
  }

  #example(text: string): void {
    if (this.examples.length < maxExamples) this.examples.push(text);
  }
}

/** Returns the sum of tallies. */
export function total(tallies: Tallies): Tally {
  const sum = emptyTally();
  for (const tally of Object.values(tallies)) {
    for (const key of numbers) sum[key] += tally[key];
    for (const key of ["answered", "cache"] as const) {
      for (const [name, count] of Object.entries(tally[key])) add(sum[key], name, count);
    }
  }
  return sum;
}

/** Returns the number of answers. */
export function answers({ answered }: Tally): number {
  return Object.values(answered).reduce((sum, count) => sum + count, 0);
}

function add(counts: Record<string, number>, key: string | number, count = 1): void {
  counts[key] = (counts[key] ?? 0) + count;
}

/** Requests of the tools, which the ledger does not count. */
const ownPaths: ReadonlySet<unknown> = new Set(["/healthz", "/readyz"]);
/** X-Request-Id of single requests outside the traffic. The ledger does not count them either. */
export const probeId = "soak-probe";

/** Collects the Worker's log lines. */
export class WorkerLog {
  #statuses: { readonly id: string; readonly status: string }[] = [];

  /** Takes one structured line. */
  readonly take = (line: Readonly<Record<string, unknown>>): void => {
    if (line.event !== "request" || ownPaths.has(line.path) || line.id === probeId) return;
    this.#statuses.push({ id: String(line.id), status: String(line.status) });
  };

  /** Returns the requests since the last call: their number by status, and the status of each by its id. */
  drain(): {
    readonly byStatus: Readonly<Record<string, number>>;
    readonly byId: ReadonlyMap<string, string>;
  } {
    const byStatus: Record<string, number> = {};
    for (const { status } of this.#statuses) add(byStatus, status);
    const byId = new Map(this.#statuses.map(({ id, status }) => [id, status]));
    this.#statuses = [];
    return { byStatus, byId };
  }
}
