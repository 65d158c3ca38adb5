/** Names what a body is by its first bytes, for the error of a body that is not a JPEG. Pure. */

interface Signature {
  readonly name: string;
  readonly offset: number;
  readonly magic: string;
}

/** Magic numbers as Latin-1 strings; the first match wins. */
const signatures: readonly Signature[] = [
  { name: "a PNG image", offset: 0, magic: "\x89PNG" },
  { name: "a GIF image", offset: 0, magic: "GIF8" },
  { name: "a WebP image", offset: 8, magic: "WEBP" },
  { name: "an AVIF image", offset: 4, magic: "ftypavi" },
  { name: "a HEIC image", offset: 4, magic: "ftyphe" },
  { name: "a HEIC image", offset: 4, magic: "ftypmif1" },
  { name: "a video or other ISO media file", offset: 4, magic: "ftyp" },
  { name: "a JPEG XL image", offset: 0, magic: "\xff\x0a" },
  { name: "a JPEG XL image", offset: 4, magic: "JXL " },
  { name: "a JPEG 2000 image", offset: 0, magic: "\xff\x4f\xff\x51" },
  { name: "a JPEG 2000 image", offset: 4, magic: "jP  " },
  { name: "a BMP image", offset: 0, magic: "BM" },
  { name: "a TIFF image", offset: 0, magic: "II*\0" },
  { name: "a TIFF image", offset: 0, magic: "MM\0*" },
  { name: "a PDF document", offset: 0, magic: "%PDF" },
  { name: "base64 text of a JPEG, not its bytes", offset: 0, magic: "/9j/" },
  { name: "a data: URL, not the bytes of an image", offset: 0, magic: "data:" },
];

/** True when the bytes start as a JPEG does: SOI, FF D8. */
export function startsAsJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8;
}

/** True for the formats that the Images binding turns into JPEG: PNG, WebP, AVIF. */
export function isConvertible(bytes: Uint8Array): boolean {
  return /^an? (PNG|WebP|AVIF) image$/.test(describeFormat(bytes));
}

/** What the bytes look like, as a noun phrase: "a PNG image", "HTML or XML text", "unknown data (...)". */
export function describeFormat(bytes: Uint8Array): string {
  const head = bytes.subarray(0, 64);
  const latin1 = Array.from(head, (b) => String.fromCharCode(b)).join("");
  for (const { name, offset, magic } of signatures) {
    if (latin1.startsWith(magic, offset)) return name;
  }
  const text = latin1.replace(/^\u00ef\u00bb\u00bf/, "").trimStart();
  if (/^<[!?a-z]/i.test(text)) return "HTML or XML text";
  if (text.length > 0 && /^[\t\n\r\x20-\x7e]+$/.test(text)) return "text";
  const hex = Array.from(head.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return `unknown data (first bytes ${hex})`;
}
