/** What the attacks send, in memory before anything is timed. */
import sharp, { type JpegOptions } from "sharp";
import { fourToThree, photo, readPhoto } from "../../../bench/pictures/photos.ts";
import { maxJsonBodyBytes } from "../../../src/limits.ts";
import { claiming } from "../traffic/pictures.ts";

export interface AttackPictures {
  /** Valid JPEGs of many shapes, samplings and codings. */
  readonly odd: readonly Uint8Array[];
  /** Small progressive JPEGs whose headers claim large sides. */
  readonly bombs: readonly Uint8Array[];
  /** A progressive photograph of 24 megapixels; five of it fit one form. */
  readonly large: Uint8Array;
  /** JSON documents that are no request. */
  readonly json: readonly string[];
}

/** Width and height in pixels. */
const shapes = [
  [8000, 510],
  [510, 8000],
  [4000, 1],
  [1, 4000],
  [3, 3],
  [17, 2049],
  [2049, 17],
  [1023, 1025],
  [641, 479],
  [1500, 1100],
  [3000, 2001],
  [129, 1],
] as const;
/** The first one has 48 megapixels, just below the limit. */
const claims = [
  [8000, 6000],
  [16_000, 3000],
  [510, 8000],
  [65_000, 700],
] as const;
/** Five of these and the form around them stay below 16 MiB. */
const largeBytes = 3_200_000;

/** Takes some seconds; the photograph is kept for the next run. */
export async function readAttackPictures(): Promise<AttackPictures> {
  const odd: Uint8Array[] = [];
  for (const [width, height] of shapes) {
    for (const progressive of [true, false]) {
      odd.push(
        await noise(width, height, { progressive, chromaSubsampling: progressive ? "4:2:0" : "4:4:4" }),
      );
    }
    odd.push(await noise(width, height, { progressive: true, chromaSubsampling: "4:2:0" }, true));
  }
  const small = await noise(320, 240, { progressive: true, chromaSubsampling: "4:2:0" });
  const bombs = claims.map(([width, height]) => claiming(small, width, height));
  return { odd, bombs, large: await readLargePhoto(), json: jsonBombs() };
}

async function noise(width: number, height: number, options: JpegOptions, grey = false): Promise<Uint8Array> {
  const noise = { type: "gaussian", mean: 128, sigma: 12 } as const;
  const image = sharp({ create: { width, height, channels: 3, background: "grey", noise } });
  return new Uint8Array(
    await (grey ? image.greyscale() : image).jpeg({ quality: 60, ...options }).toBuffer(),
  );
}

/** A progressive photograph of 24 megapixels: five of it fit one form. */
export async function readLargePhoto(): Promise<Uint8Array> {
  const spec = { ...fourToThree(24), progressive: true, scene: "frog" } as const;
  const original = await readPhoto(await photo("24mp", spec));
  for (let quality = 60; ; quality -= 10) {
    const bytes = await sharp(original, { limitInputPixels: false })
      .jpeg({ quality, progressive: true })
      .toBuffer();
    if (bytes.length <= largeBytes || quality <= 10) return new Uint8Array(bytes);
  }
}

function jsonBombs(): string[] {
  const bytes = maxJsonBodyBytes - 64;
  const keys = Array.from(
    { length: Math.floor(bytes / 10) },
    (_, i) => `"${i.toString(36).padStart(4, "0")}":0`,
  );
  return [
    "[".repeat(bytes),
    '{"image":'.repeat(bytes / 9),
    `{"image":${"[".repeat(bytes / 2 - 8)}${"]".repeat(bytes / 2 - 8)}}`,
    `{${keys.join(",")}}`,
    `{"image":[${"[],".repeat(bytes / 3 - 8)}[]]}`,
    `{"image":[${"{},".repeat(bytes / 3 - 8)}{}]}`,
  ];
}
