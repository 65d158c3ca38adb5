/**
 * Clients that each wait for their answer before they send again: the Worker is always busy and never beyond what it can
 * take. Latencies are those at just this many requests at once; they say nothing of a rate of arrivals.
 */
import { runPhase, type Scene } from "./phase.ts";
import type { Phase } from "./results.ts";

export function runSustained(scene: Scene, seconds: number, concurrency: number): Promise<Phase> {
  return runPhase(scene, async (send) => {
    const endMs = performance.now() + 1000 * seconds;
    const client = async () => {
      while (performance.now() < endMs && !scene.signal.aborted) await send();
    };
    await Promise.all(Array.from({ length: concurrency }, client));
  });
}
