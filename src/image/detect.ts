/** Detects the format of a body by its first bytes: a name for errors, and whether it is an image. */

interface Signature {
  readonly name: string;
  /** Offset and magic number, as a Latin-1 string, of each part that must match. */
  readonly parts: readonly (readonly [offset: number, magic: string])[];
}

const imageSignatures: readonly Signature[] = [
  { name: "a JPEG image", parts: [[0, "\xff\xd8"]] },
  { name: "a PNG image", parts: [[0, "\x89PNG"]] },
  { name: "a GIF image", parts: [[0, "GIF8"]] },
  {
    name: "a WebP image",
    parts: [
      [0, "RIFF"],
      [8, "WEBP"],
    ],
  },
  { name: "an AVIF image", parts: [[4, "ftypavi"]] },
  { name: "a HEIC image", parts: [[4, "ftyphe"]] },
  { name: "a HEIC image", parts: [[4, "ftypmif1"]] },
  { name: "a JPEG XL image", parts: [[0, "\xff\x0a"]] },
  { name: "a JPEG XL image", parts: [[4, "JXL "]] },
  { name: "a JPEG 2000 image", parts: [[0, "\xff\x4f\xff\x51"]] },
  { name: "a JPEG 2000 image", parts: [[4, "jP  "]] },
  {
    // The size of the second header is below 256 in every version. Text that starts with "BM" has no NULs at this place.
    name: "a BMP image",
    parts: [
      [0, "BM"],
      [15, "\0\0\0"],
    ],
  },
  { name: "a TIFF image", parts: [[0, "II*\0"]] },
  { name: "a TIFF image", parts: [[0, "MM\0*"]] },
  { name: "a BigTIFF image", parts: [[0, "II+\0"]] },
  { name: "a BigTIFF image", parts: [[0, "MM\0+"]] },
  { name: "an ICO image", parts: [[0, "\0\0\x01\0"]] },
  { name: "a CUR image", parts: [[0, "\0\0\x02\0"]] },
];

const otherSignatures: readonly Signature[] = [
  { name: "a video or other ISO media file", parts: [[4, "ftyp"]] },
  { name: "a PDF document", parts: [[0, "%PDF"]] },
  { name: "base64 text of a JPEG, not its bytes", parts: [[0, "/9j/"]] },
  { name: "a data: URL, not the bytes of an image", parts: [[0, "data:"]] },
];

/** ISO media brands of still images and image sequences: AVIF, HEIF and its codecs, JPEG XL, JPEG 2000 and CR3. */
const imageBrand = /^(avi[fso]|he(i[cxmsf]|v[cxms])|mi[af][f123]|msf1|MA1[AB]|jxl |jp2 |jpx |j2ki|crx )$/;

/** The formats that image/decode.ts decodes, for errors. */
export const decodedFormats = "a JPEG, PNG, WebP or GIF (image/jpeg, image/png, image/webp, image/gif)";

/** Whether the Worker cannot decode the format, but the Images binding can convert it to JPEG: AVIF, HEIC. */
export function isConvertible(bytes: Uint8Array): boolean {
  return /^an? (AVIF|HEIC) image$/.test(describeFormat(bytes));
}

/** Describes the format as a noun phrase: "a PNG image", "HTML or XML text", "unknown data (...)". */
export function describeFormat(bytes: Uint8Array): string {
  const head = latin1(bytes.subarray(0, 64));
  for (const { name, parts } of [...imageSignatures, ...otherSignatures]) {
    const [offset, magic] = parts[0]!;
    if (head.startsWith(magic, offset) && matches(head, parts) !== false) return name;
  }
  const text = head.replace(/^\u00ef\u00bb\u00bf/, "").trimStart();
  if (/^<[!?a-z]/i.test(text)) return "HTML or XML text";
  if (text.length > 0 && /^[\t\n\r\x20-\x7e]+$/.test(text)) return "text";
  const hex = Array.from(bytes.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return `unknown data (first bytes ${hex})`;
}

/**
 * Whether a body is an image, by its first bytes: JPEG, PNG, GIF, WebP, AVIF, HEIF, BMP, TIFF, ICO, JPEG XL, JPEG 2000 or
 * SVG. Undefined if more bytes are needed to decide.
 */
export function startsAsImage(start: Uint8Array): boolean | undefined {
  const text = latin1(start);
  const verdicts = imageSignatures.map(({ parts }) => matches(text, parts));
  verdicts.push(hasImageBrand(text), hasSvgRoot(text));
  if (verdicts.includes(true)) return true;
  return verdicts.includes(undefined) ? undefined : false;
}

/** Whether the first bytes are text: none is a binary data byte (WHATWG MIME Sniffing Standard, section 3). */
export function startsAsText(start: Uint8Array): boolean {
  return start.every((byte) => byte >= 0x20 || [0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte));
}

/** Whether all parts match. Undefined if none contradicts, but bytes are missing. */
function matches(text: string, parts: Signature["parts"]): boolean | undefined {
  let complete = true;
  for (const [offset, magic] of parts) {
    const there = text.slice(offset, offset + magic.length);
    if (!magic.startsWith(there)) return false;
    if (there.length < magic.length) complete = false;
  }
  return complete || undefined;
}

/**
 * Whether an ISO media file has an image brand (ISO/IEC 14496-12, 4.3). The main brand alone does not decide, because
 * readers also accept a file by its compatible brands.
 */
function hasImageBrand(text: string): boolean | undefined {
  const isMedia = matches(text, [[4, "ftyp"]]);
  if (!isMedia) return isMedia;
  const size = uint32(text, 0);
  // Size 1: a 64-bit size follows. Size 0: the box ends with the file.
  const brandsAt = size === 1 ? 16 : 8;
  const end =
    size === 0 ? Number.POSITIVE_INFINITY : size === 1 ? 2 ** 32 * uint32(text, 8) + uint32(text, 12) : size;
  for (let at = brandsAt; at + 4 <= Math.min(end, text.length); at += 4) {
    // The four bytes after the main brand are its version.
    if (at !== brandsAt + 4 && imageBrand.test(text.slice(at, at + 4))) return true;
  }
  return text.length < end || Number.isNaN(end) ? undefined : false;
}

function uint32(text: string, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) value = 256 * value + text.charCodeAt(i);
  return value;
}

/** One item before the root of an XML document: white space, a processing instruction, a comment or a DOCTYPE. */
const prologItem =
  /^(?:\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?:[^>"'[]|"[^"]*"|'[^']*'|\[(?:[^\]"']|"[^"]*"|'[^']*')*\])*>)/is;

/** The beginning of a prolog item, or of a root element whose name is incomplete. */
const incompleteXml = /^(?:$|<$|<\?|<!$|<!-|<!d|<[^\s<>/!?]*$)/i;

/** Whether the root element is svg, with or without a namespace prefix. A document with DOCTYPE html is HTML. */
function hasSvgRoot(text: string): boolean | undefined {
  if (/^(?:\xef\xbb?|\xff|\xfe)$/.test(text)) return undefined;
  let rest = withoutByteOrderMark(text);
  for (let item = prologItem.exec(rest); item; item = prologItem.exec(rest)) {
    if (/^<!DOCTYPE\s+html\b/i.test(rest)) return false;
    rest = rest.slice(item[0].length);
  }
  if (/^<(?:[^\s<>/:]+:)?svg[\s/>]/.test(rest)) return true;
  return incompleteXml.test(rest) ? undefined : false;
}

/** Removes a byte order mark. ASCII characters in UTF-16 are ASCII with NULs between them, which are removed too. */
function withoutByteOrderMark(text: string): string {
  const isUtf16 = ["\xff\xfe", "\xfe\xff", "<\0", "\0<"].some((start) => text.startsWith(start));
  const ascii = isUtf16 ? text.replaceAll("\0", "") : text;
  return ascii.replace(/^(?:\xff\xfe|\xfe\xff|\xef\xbb\xbf)/, "");
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => String.fromCharCode(b)).join("");
}
