/** What the scripts of this folder share: their argument, their answer, timing. */

import { peakResidentBytes } from "../../workerd/processes.ts";

/** The JSON argument that runPeer passes. */
export function peerArgument<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}") as T;
}

/** On a line of its own, after whatever libraries have printed. */
export function peerAnswer(document: object): void {
  process.stdout.write(`\n${JSON.stringify(document)}\n`);
}

/** Time for which work is repeated before it counts: V8 optimises hot code in its own time. */
const warmUpMs = 400;

/** Milliseconds of each of `times` calls, once the code is warm. */
export async function timeEach(work: () => unknown, times: number): Promise<number[]> {
  const warmMs = performance.now() + warmUpMs;
  do await work();
  while (performance.now() < warmMs);
  const ms: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedMs = performance.now();
    await work();
    ms.push(performance.now() - startedMs);
  }
  return ms;
}

/** Most resident bytes of this process: VmHWM, since maxRSS begins at what the parent had when it forked. */
export async function peakProcessBytes(): Promise<number> {
  return (await peakResidentBytes(process.pid)) ?? process.resourceUsage().maxRSS * 1024;
}

/** What a peer that runs the model tells. */
export interface ModelPeerAnswer {
  /** From nothing loaded to the first logits. */
  readonly coldMs: number;
  readonly runMs: readonly number[];
  readonly peakProcessBytes: number;
  /** See metrics.logitError. */
  readonly logitError?: number;
}

/** A fixed tensor, float32, of normalised pixels' range. */
export function fixedInput(size: number): Float32Array {
  return Float32Array.from(
    { length: 3 * size * size },
    (_, i) => 2 * Math.sin(i * 0.37) + 0.5 * Math.sin(i * 0.011),
  );
}
