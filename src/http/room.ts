/**
 * The room that a request with an image takes, step by step: little while nothing has come, then what has come, then what
 * scoring needs. src/bytes/read-stream.ts lets the permit grow while it reads.
 */
import type { Demand, Permit } from "../concurrency/admission.ts";
import { firstReadBytes, requestOverheadBytes } from "../limits.ts";

/** @param memoryBytes that the body, and what is made of it, may take */
export function demandOf(memoryBytes: number): Demand {
  return { bytes: firstReadBytes, maxBytes: memoryBytes + requestOverheadBytes };
}

/**
 * Waits for the room that scoring images needs, once they are in memory, and gives back what is not needed.
 * @throws ClassifierError overloaded, body_interrupted
 */
export function makeRoomToScore(permit: Permit, imageBytes: number, signal?: AbortSignal): Promise<void> {
  const bytes = imageBytes + requestOverheadBytes;
  permit.shrinkTo(bytes);
  return permit.growTo(bytes, signal);
}
