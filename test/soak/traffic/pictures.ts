/** The bodies that are sent, in memory before anything is timed. */
import { fourToThree, type Photo, photo, readPhoto, scenes } from "../../../bench/pictures/photos.ts";

export interface Pictures {
  /** One a scene, 500x375. */
  readonly small: readonly Uint8Array[];
  /** 12 and 24 megapixels, baseline and progressive. */
  readonly large: readonly Uint8Array[];
}

export async function readPictures(): Promise<Pictures> {
  const small: Photo[] = [];
  for (const scene of scenes) {
    small.push(await photo("500x375", { width: 500, height: 375, progressive: false, scene }));
  }
  const large: Photo[] = [];
  for (const [i, scene] of scenes.slice(0, 4).entries()) {
    const megapixels = i < 2 ? 12 : 24;
    large.push(
      await photo(`${megapixels}mp`, { ...fourToThree(megapixels), progressive: i % 2 === 1, scene }),
    );
  }
  return {
    small: await Promise.all(small.map(readPhoto)),
    large: await Promise.all(large.map(readPhoto)),
  };
}

/** The same picture as another file: bytes after the end of the image are ignored, so no cache knows it. */
export function salted(jpeg: Uint8Array, seed: number, salt: number): Uint8Array<ArrayBuffer> {
  const fresh = new Uint8Array(jpeg.length + 8);
  fresh.set(jpeg);
  const tail = new DataView(fresh.buffer, jpeg.length);
  tail.setUint32(0, seed);
  tail.setUint32(4, salt);
  return fresh;
}

/** The same file, its first frame header claiming another size. @throws Error when it has none */
export function claiming(jpeg: Uint8Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(jpeg);
  const view = new DataView(copy.buffer);
  for (let at = 2; at + 9 < copy.length && copy[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = copy[at + 1]!;
    if (marker < 0xc0 || marker > 0xc2) continue;
    view.setUint16(at + 5, height);
    view.setUint16(at + 7, width);
    return copy;
  }
  throw new Error("the JPEG has no frame header");
}
