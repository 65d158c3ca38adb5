/** Memory of the isolate by time: what the samples of a stretch come to. Pure. */

/** One look at the Worker, bytes. */
export interface MemorySample {
  readonly atMs: number;
  /** JS objects, those not yet collected too. */
  readonly usedBytes: number;
  /** ArrayBuffers, those not yet collected too. */
  readonly bufferBytes: number;
  /** ONNX Runtime's WASM heap, the only WASM memory of the isolate. */
  readonly ortBytes: number;
  /** Resident bytes of the workerd process; undefined where they are not known. */
  readonly processBytes: number | undefined;
}

/** Bytes. `peak`: the sample with the largest sum. */
export interface MemoryStretch {
  readonly atSeconds: number;
  readonly samples: number;
  /** Least and largest sum of ORT's heap, JS objects and ArrayBuffers. */
  readonly floorBytes: number;
  readonly peakBytes: number;
  /** What the largest sum was made of. */
  readonly peak: Omit<MemorySample, "atMs" | "processBytes">;
  /** The most meanwhile. */
  readonly processBytes: number | undefined;
}

export function isolateBytes(sample: Omit<MemorySample, "atMs" | "processBytes">): number {
  return sample.ortBytes + sample.usedBytes + sample.bufferBytes;
}

/** Stretches of `seconds`, what is over counting to the last whole one; those without a sample are left out. */
export function memoryStretches(
  samples: readonly MemorySample[],
  seconds: number,
  wholeMs: number,
): MemoryStretch[] {
  const last = Math.max(0, Math.floor(wholeMs / 1000 / seconds) - 1);
  const groups = new Map<number, MemorySample[]>();
  for (const sample of samples) {
    const index = Math.min(last, Math.floor(sample.atMs / 1000 / seconds));
    const group = groups.get(index) ?? [];
    group.push(sample);
    groups.set(index, group);
  }
  return [...groups].map(([index, group]) => {
    const sums = group.map(isolateBytes);
    const peakBytes = Math.max(...sums);
    const { usedBytes, bufferBytes, ortBytes } = group[sums.indexOf(peakBytes)]!;
    const resident = group.flatMap(({ processBytes }) => (processBytes === undefined ? [] : [processBytes]));
    return {
      atSeconds: index * seconds,
      samples: group.length,
      floorBytes: Math.min(...sums),
      peakBytes,
      peak: { usedBytes, bufferBytes, ortBytes },
      processBytes: resident.length > 0 ? Math.max(...resident) : undefined,
    };
  });
}
