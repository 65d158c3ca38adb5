/** Base64 in pieces, so that no second copy of a large image is in memory as a string. */

/** Characters per piece: a multiple of 4, and few enough for the arguments of a call. */
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
