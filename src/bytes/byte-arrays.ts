/** Byte arrays: frees their memory, hashes them, and converts them to hex and base64. */

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

/** Returns the SHA-256 of `bytes`, by WebCrypto: 32 bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));
}

/** Returns the SHA-256 of `bytes` as 64 lower-case hex digits. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return hexOf(await sha256(bytes));
}

/** Returns bytes as lower-case hex digits, two per byte. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Decodes hex digits, two per byte, of either case. Anything else gives other bytes. */
export function hexToBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  // The low bits of a digit's code are its value, of a letter's code its value less 9.
  const digit = (code: number) => (code & 15) + (code >> 6) * 9;
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (digit(hex.charCodeAt(2 * i)) << 4) | digit(hex.charCodeAt(2 * i + 1));
  }
  return bytes;
}

/** Returns the little-endian bytes of float32 values, four per value. */
export function float32Bytes(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  return new Uint8Array(view.buffer);
}

/**
 * Characters of base64 per piece, so that no second copy of a large image is in memory as a string: a multiple of 4, and few
 * enough for the arguments of a call.
 */
const pieceChars = 32_768;

/** Decodes base64 (RFC 4648, section 4). Returns undefined if `text` is not base64 or has white space. */
export function base64ToBytes(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let offset = 0;
  for (let start = 0; start < text.length; start += pieceChars) {
    const piece = atob(text.slice(start, start + pieceChars));
    for (let i = 0; i < piece.length; i++) bytes[offset++] = piece.charCodeAt(i);
  }
  return bytes;
}

/** Encodes bytes as base64 with padding. */
export function bytesToBase64(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += (pieceChars / 4) * 3) {
    text += btoa(String.fromCharCode(...bytes.subarray(start, start + (pieceChars / 4) * 3)));
  }
  return text;
}
