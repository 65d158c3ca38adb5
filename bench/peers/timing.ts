/** Timing and memory of the subjects that run in Node. */
import { peakResidentBytes } from "../../cli/workerd/processes.ts";

/** The argument of a runtime. */
export interface ModelArgument {
  /** Path of an ONNX model. */
  readonly file: string;
  /** Height and width of its input. */
  readonly size: number;
  /** Forward passes to time. */
  readonly times: number;
}

/** The measurements of a runtime. */
export interface ModelAnswer {
  /** From nothing loaded to the first logits. */
  readonly coldMs: number;
  readonly runMs: readonly number[];
  readonly peakProcessBytes: number;
  /** Largest difference of any logit from onnxruntime-node's, in thousandths of their range. */
  readonly logitError?: number;
}

/** Time for which work runs before it counts: V8 optimises hot code in the background. */
const warmUpMs = 400;

/** Returns the milliseconds of each of `times` calls, once the code is warm. */
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

/** Returns the largest resident size of this process in bytes: VmHWM, because maxRSS starts at the parent's size. */
export async function peakProcessBytes(): Promise<number> {
  return (await peakResidentBytes(process.pid)) ?? process.resourceUsage().maxRSS * 1024;
}

/** Makes a fixed tensor in the range of normalised pixels. @returns [3 * size * size] */
export function fixedInput(size: number): Float32Array {
  return Float32Array.from(
    { length: 3 * size * size },
    (_, i) => 2 * Math.sin(i * 0.37) + 0.5 * Math.sin(i * 0.011),
  );
}
