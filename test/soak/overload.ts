/**
 * Sends more requests than the Worker can answer, at a fixed rate. The time of a request counts from when it was due, so
 * a slow answer does not hide others (no coordinated omission).
 */
import { setTimeout as wait } from "node:timers/promises";
import { runPhase, type Scene } from "./phase.ts";
import type { Phase } from "./results.ts";

/**
 * Turns under way at once. It is twice what the Worker lets wait (64 small and 64 large requests), and keeps
 * `wrangler dev`, whose proxies hold four sockets per request, far from its limit of open files. A turn that is due
 * beyond it is not sent.
 */
const maxUnderWay = 256;

export interface Overload {
  readonly phase: Phase;
  readonly sendingSeconds: number;
  /** From the last request until the last answer. */
  readonly drainSeconds: number;
}

export async function runOverload(scene: Scene, seconds: number, turnsPerSecond: number): Promise<Overload> {
  let [sendingSeconds, drainSeconds] = [0, 0];
  const phase = await runPhase(scene, async (send) => {
    const beganMs = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let i = 0; !scene.signal.aborted; i++) {
      const dueMs = beganMs + (1000 * i) / turnsPerSecond;
      // A sender that is late sends fewer: the overload ends when it is to.
      if (Math.max(dueMs, performance.now()) >= beganMs + 1000 * seconds) break;
      const leftMs = dueMs - performance.now();
      if (leftMs > 1) await wait(leftMs);
      if (underWay.size < maxUnderWay) {
        const turn: Promise<void> = send(dueMs).finally(() => underWay.delete(turn));
        underWay.add(turn);
      }
      // Answers must be read also while the sender is late.
      if (leftMs <= 1) await new Promise(setImmediate);
    }
    const lastSentMs = performance.now();
    await Promise.all(underWay);
    sendingSeconds = (lastSentMs - beganMs) / 1000;
    drainSeconds = (performance.now() - lastSentMs) / 1000;
  });
  return { phase, sendingSeconds, drainSeconds };
}
