/**
 * Frees the memory of `bytes` at once. The garbage collector frees ArrayBuffers late, and an isolate has 128 MB in all.
 * Afterwards, all arrays on the same buffer are empty.
 */
export function freeBytes(
  bytes: Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Float32Array,
): void {
  const { buffer } = bytes;
  // Detaches the buffer and copies no bytes.
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
