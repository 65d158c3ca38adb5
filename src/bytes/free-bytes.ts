/**
 * Frees the memory behind `bytes` now, not when the garbage collector comes round: V8 does not hurry for ArrayBuffers, and
 * an isolate has 128 MB in all. The array and all others on its buffer have no elements afterwards.
 */
export function freeBytes(
  bytes: Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Float32Array,
): void {
  const { buffer } = bytes;
  // Detaches the buffer; the copy that it makes has no bytes.
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
