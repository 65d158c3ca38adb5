/** Measures what a decode allocates. */

const arrayTypes = ["Uint8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Int32Array"] as const;

/** What a function allocated. */
export interface Allocated {
  readonly bytes: number;
  readonly arrays: readonly { readonly buffer: ArrayBufferLike }[];
}

/** Collects every typed array with its own buffer that `run` creates. Views of existing buffers do not count. */
export async function allocationsOf(run: () => unknown): Promise<Allocated> {
  const originals = Object.fromEntries(arrayTypes.map((name) => [name, globalThis[name]]));
  const arrays: { readonly buffer: ArrayBufferLike }[] = [];
  let bytes = 0;
  for (const name of arrayTypes) {
    const counted = new Proxy(globalThis[name], {
      construct(target, args, newTarget) {
        const array = Reflect.construct(target, args, newTarget) as InstanceType<typeof target>;
        if (!(args[0] instanceof ArrayBuffer)) {
          arrays.push(array);
          bytes += array.byteLength;
        }
        return array;
      },
    });
    Object.assign(globalThis, { [name]: counted });
  }
  try {
    await run();
  } finally {
    Object.assign(globalThis, originals);
  }
  return { bytes, arrays };
}
