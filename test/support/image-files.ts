/** The first bytes of files of every format that browsers show, and of other files. */

/** Converts text of U+0000 to U+00FF to bytes. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const utf16 = (text: string) => Uint8Array.from(Buffer.from(text, "utf16le"));
const bigEndian = (text: string) => Uint8Array.from(Buffer.from(text, "utf16le").swap16());
const ftyp = (brands: string, size = 8 + brands.length) =>
  latin1(`\0\0\0${String.fromCharCode(size)}ftyp${brands}`);
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>';

/** Images, by name. */
export const imageFiles: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  JPEG: latin1("\xff\xd8\xff\xe0\0\x10JFIF\0"),
  PNG: latin1("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
  GIF: latin1("GIF89a\x01\0\x01\0\0\0\0"),
  WebP: latin1("RIFF\x20\0\0\0WEBPVP8 "),
  AVIF: ftyp("avif\0\0\0\0avifmif1miaf"),
  "AVIF by a compatible brand": ftyp("isom\0\0\0\0iso8avif"),
  "AVIF with a 64-bit size": latin1("\0\0\0\x01ftyp\0\0\0\0\0\0\0\x18avif\0\0\0\0"),
  HEIC: ftyp("heic\0\0\0\0mif1heic"),
  HEIF: ftyp("mif1\0\0\0\0mif1"),
  "a HEIF sequence": ftyp("msf1\0\0\0\0hevc"),
  BMP: latin1("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
  TIFF: latin1("II*\0\x08\0\0\0"),
  "big-endian TIFF": latin1("MM\0*\0\0\0\x08"),
  BigTIFF: latin1("II+\0\x08\0\0\0"),
  ICO: latin1("\0\0\x01\0\x01\0\x10\x10"),
  "JPEG XL": latin1("\xff\x0a\xfa\x1f"),
  "JPEG XL in a container": latin1("\0\0\0\x0cJXL \r\n\x87\n"),
  "JPEG 2000": latin1("\0\0\0\x0cjP  \r\n\x87\n"),
  SVG: latin1(svg),
  "SVG after a prolog": latin1(
    `\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <p> --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "a>b" [ <!ENTITY x "]>"> ]>\n${svg}`,
  ),
  "SVG with a prefix": latin1('<s:svg xmlns:s="http://www.w3.org/2000/svg"/>'),
  "SVG in UTF-16": utf16(`\ufeff${svg}`),
  "SVG in big-endian UTF-16": bigEndian(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${svg}`),
};

/** Files that are no images, by name. */
export const otherFiles: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  HTML: latin1("<!doctype html><html><body><svg></svg></body></html>"),
  "an HTML fragment": latin1("<p>hello</p>"),
  "HTML after a comment": latin1("<!-- saved from svg -->\n<html></html>"),
  XHTML: latin1(
    '<?xml version="1.0"?><!DOCTYPE html PUBLIC "x" "y"><html xmlns="http://www.w3.org/1999/xhtml"/>',
  ),
  RSS: latin1('<?xml version="1.0"?><rss version="2.0"></rss>'),
  text: latin1("BMW, GIF, PNG and RIFF walk into a bar"),
  JSON: latin1('{"image": "none"}'),
  PDF: latin1("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
  MP4: ftyp("isom\0\0\0\x02isomiso2avc1mp41"),
  WAV: latin1("RIFF\x20\0\0\0WAVEfmt "),
  font: latin1("\0\x01\0\0\0\x0f\0\x80"),
  WebAssembly: latin1("\0asm\x01\0\0\0"),
};
