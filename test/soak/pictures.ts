/** The bodies that the soak sends, in memory before anything is timed, and the origin of the images behind /cdn/. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import sharp, { type JpegOptions } from "sharp";
import { repeat } from "../../bench/common/requests.ts";
import { fourToThree, photo, readPhoto, scenes } from "../../bench/pictures/photos.ts";
import { maxJsonBodyBytes } from "../../src/limits.ts";
import { patchedFrame } from "../fuzz/segments.ts";

/** The pictures of the mixed traffic. */
export type Pictures = Awaited<ReturnType<typeof readPictures>>;

/** The bodies of the attacks. */
export type AttackPictures = Awaited<ReturnType<typeof readAttackPictures>>;

const shapes =
  "8000x510 510x8000 4000x1 1x4000 3x3 17x2049 2049x17 1023x1025 641x479 1500x1100 3000x2001 129x1";
/** The first one has 48 megapixels, just below the limit. */
const claims = "8000x6000 16000x3000 510x8000 65000x700";
/** Five of these and the form around them stay below 16 MiB. */
const largeBytes = 3_200_000;

/** Draws the pictures at the first use. */
export async function readPictures() {
  const small = await repeat(scenes.length, (i) =>
    photo("500x375", { width: 500, height: 375, progressive: false, scene: scenes[i]! }),
  );
  const large = await repeat(4, (i) =>
    photo("large", { ...fourToThree(i < 2 ? 12 : 24), progressive: i % 2 === 1, scene: scenes[i]! }),
  );
  return {
    /** 500x375, one of each scene. */
    small: await Promise.all(small.map(readPhoto)),
    /** 12 and 24 megapixels, baseline and progressive. */
    large: await Promise.all(large.map(readPhoto)),
  };
}

/** Makes the bodies of the attacks in some seconds. */
export async function readAttackPictures() {
  const odd: Uint8Array[] = [];
  for (const [width, height] of sizesOf(shapes)) {
    odd.push(
      await noise(width, height, { progressive: true, chromaSubsampling: "4:2:0" }),
      await noise(width, height, { progressive: false, chromaSubsampling: "4:4:4" }),
      await noise(width, height, { progressive: true, chromaSubsampling: "4:2:0" }, true),
    );
  }
  const small = await noise(320, 240, { progressive: true, chromaSubsampling: "4:2:0" });
  const bombs = sizesOf(claims).map(([width, height]) => claiming(small, width, height));
  return {
    /** Valid JPEGs of many shapes, samplings and codings. */
    odd,
    /** Small progressive JPEGs whose headers claim large sides. */
    bombs,
    large: await readLargePhoto(),
    /** JSON documents that are not valid requests. */
    json: jsonBombs(),
  };
}

/** Makes a progressive photograph of 24 megapixels. Five of it fit one form. */
export async function readLargePhoto(): Promise<Uint8Array> {
  const spec = { ...fourToThree(24), progressive: true, scene: "ladybug" } as const;
  const original = await readPhoto(await photo("24mp", spec));
  for (let quality = 60; ; quality -= 10) {
    const image = sharp(original, { limitInputPixels: false }).jpeg({ quality, progressive: true });
    const bytes = await image.toBuffer();
    if (bytes.length <= largeBytes || quality <= 10) return new Uint8Array(bytes);
  }
}

/** Returns the same picture in a file of `bytes`: decoders ignore what follows the end of the image. */
export function padded(jpeg: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(bytes);
  body.set(jpeg);
  return body;
}

/** Returns the same file with another size in its frame header. @throws Error when it has no frame header */
export function claiming(jpeg: Uint8Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  return patchedFrame(jpeg, { width, height });
}

/** Parses widths and heights in pixels. */
function sizesOf(list: string): [width: number, height: number][] {
  return list.split(" ").map((size) => size.split("x").map(Number) as [number, number]);
}

async function noise(width: number, height: number, options: JpegOptions, grey = false): Promise<Uint8Array> {
  const noise = { type: "gaussian", mean: 128, sigma: 12 } as const;
  const image = sharp({ create: { width, height, channels: 3, background: "grey", noise } });
  const jpeg = (grey ? image.greyscale() : image).jpeg({ quality: 60, ...options });
  return new Uint8Array(await jpeg.toBuffer());
}

function jsonBombs(): string[] {
  const bytes = maxJsonBodyBytes - 64;
  const key = (i: number) => `"${i.toString(36).padStart(4, "0")}":0`;
  const keys = Array.from({ length: Math.floor(bytes / 10) }, (_, i) => key(i));
  return [
    "[".repeat(bytes),
    '{"image":'.repeat(bytes / 9),
    `{"image":${"[".repeat(bytes / 2 - 8)}${"]".repeat(bytes / 2 - 8)}}`,
    `{${keys.join(",")}}`,
    `{"image":[${"[],".repeat(bytes / 3 - 8)}[]]}`,
    `{"image":[${"{},".repeat(bytes / 3 - 8)}{}]}`,
  ];
}

/** A running server. */
export type ImageServer = Awaited<ReturnType<typeof startImageServer>>;

/** Serves the picture in a file of 8 MiB under every path. */
export async function startImageServer(jpeg: Uint8Array) {
  const body = padded(jpeg, 8 * 2 ** 20);
  const server = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": body.length }).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    /** Ends with a slash, as IMAGE_ORIGIN requires. */
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
