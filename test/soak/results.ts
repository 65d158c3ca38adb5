/** The results of a soak. Everything that is printed, drawn or written comes from them. */
import type { Machine } from "../../bench/measure/machine.ts";
import type { AttackName } from "./attacks/attacks.ts";
import type { Percentiles, Stretch } from "./measure/latency.ts";
import type { Tally } from "./measure/ledger.ts";
import type { MemoryStretch } from "./measure/memory.ts";
import type { Silence } from "./probes.ts";
import type { KindName } from "./traffic/kinds.ts";

/** Raise it when a change makes older files unreadable. */
export const soakFormat = 2;

export interface Phase {
  readonly seconds: number;
  /** Requests a second that were sent on purpose; undefined where each client waited for its answer. */
  readonly offeredPerSecond?: number;
  /** Seconds until the last of them was sent. */
  readonly sendingSeconds?: number;
  readonly tallies: Readonly<Partial<Record<KindName, Tally>>>;
  readonly latency: Readonly<Record<string, Percentiles>>;
  /** Of answers that are not refusals, of 200s, and of 503s. */
  readonly all: Percentiles;
  readonly good: Percentiles;
  readonly refused: Percentiles;
  readonly stretches: readonly Stretch[];
  readonly memory: readonly MemoryStretch[];
  readonly memoryByMinute: readonly MemoryStretch[];
  /** Requests by status, as the Worker's own log has them. */
  readonly logged: Readonly<Record<string, number>>;
  /** The first of what went wrong. */
  readonly examples: readonly string[];
  /** Right after it. */
  readonly silence: Silence;
}

/** One attack, and small requests beside it. */
export interface AttackPhase {
  readonly name: AttackName;
  /** New JPEGs of 86 KB one after the other, just before: milliseconds. */
  readonly idle: Percentiles;
  /** Its kind `beside` has the same requests during the attack. */
  readonly phase: Phase;
}

export interface Recovery {
  /** From the last request of the overload until the last of its answers. */
  readonly drainSeconds: number;
  /** New small JPEGs one after the other, before the overload and after it, milliseconds. */
  readonly before: Percentiles;
  readonly after: Percentiles;
}

export interface SoakResults {
  readonly format: typeof soakFormat;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly options: { readonly minutes: number; readonly concurrency: number; readonly seed: number };
  readonly interrupted: boolean;
  readonly sustained: Phase;
  readonly attacks: readonly AttackPhase[];
  readonly overload?: Phase;
  readonly recovery?: Recovery;
}
