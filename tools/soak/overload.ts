/**
 * More than the Worker can take, at a rate that does not care how it fares: requests leave by the clock, and their time
 * counts from when they were due. A slow answer thus hides no other (no coordinated omission).
 */
import { setTimeout as wait } from "node:timers/promises";
import { runPhase, type Scene } from "./phase.ts";
import type { Phase } from "./results.ts";

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
    const sent: Promise<void>[] = [];
    for (let i = 0; !scene.signal.aborted; i++) {
      const dueMs = beganMs + (1000 * i) / turnsPerSecond;
      // A sender that is late sends fewer: the overload ends when it is to.
      if (Math.max(dueMs, performance.now()) >= beganMs + 1000 * seconds) break;
      const leftMs = dueMs - performance.now();
      if (leftMs > 1) await wait(leftMs);
      sent.push(send(dueMs));
      // Behind the clock too, answers are to be taken in.
      if (leftMs <= 1) await new Promise(setImmediate);
    }
    const lastSentMs = performance.now();
    await Promise.all(sent);
    sendingSeconds = (lastSentMs - beganMs) / 1000;
    drainSeconds = (performance.now() - lastSentMs) / 1000;
  });
  return { phase, sendingSeconds, drainSeconds };
}
