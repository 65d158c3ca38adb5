/**
 * Frees what a library allocates and keeps to itself. jpeg-js gives each 8x8 block and each line of samples a typed array
 * of its own, thousands a picture; they outlive the short collections, and V8 waits with a long one until 64 MiB of
 * ArrayBuffers have come together: half of the isolate. Pure but for two globals, which are its own while `work` runs.
 */
import { freeBytes } from "../free-bytes.ts";

/** Coefficients of an 8x8 block. */
const blockLength = 64;

/**
 * Runs `work`, which must be synchronous, and afterwards frees all Int32Arrays and Uint8Arrays that it made by length, but
 * for the one that `result` picks from what it returns.
 * @param blocks Int32Array(64)s to make room for at once: they are cut from one buffer. More are made as usual
 */
export function freeingScratch<T>(
  blocks: number,
  work: () => T,
  result: (value: T) => Uint8Array | Uint8ClampedArray,
): T {
  const original = { Int32Array, Uint8Array };
  const arena = new Int32Array(blocks * blockLength);
  const made: Uint8Array[] = [];
  let cut = 0;
  globalThis.Int32Array = new Proxy(Int32Array, {
    construct(target, [length, ...others], newTarget) {
      if (length !== blockLength || others.length > 0 || cut === blocks)
        return Reflect.construct(target, [length, ...others], newTarget);
      return new target(arena.buffer, 4 * blockLength * cut++, blockLength);
    },
  });
  globalThis.Uint8Array = new Proxy(Uint8Array, {
    construct(target, args, newTarget) {
      const array = Reflect.construct(target, args, newTarget) as Uint8Array;
      if (typeof args[0] === "number") made.push(array);
      return array;
    },
  });
  let kept: ArrayBufferLike | undefined;
  try {
    const value = work();
    kept = result(value).buffer;
    return value;
  } finally {
    Object.assign(globalThis, original);
    for (const array of made) if (array.buffer !== kept) freeBytes(array);
    freeBytes(arena);
  }
}
