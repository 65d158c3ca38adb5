/** Finds the pictures whose features are most like those of one picture. */
import { ClassifierError } from "../errors.ts";
import type { PictureRow, PictureStore } from "./picture-store.ts";

/** Pictures that one exact search compares: 20 MB of features, read page by page. */
export const maxComparedPictures = 10_000;
/** Pictures read at once: 2 MB of features as D1 returns them. */
const pagePictures = 500;

/** A picture and the cosine of its features, -1 to 1. */
export interface Similar {
  readonly row: PictureRow;
  readonly similarity: number;
}

/**
 * Compares the kept features of all pictures of the same model.
 * @param limit of the answer, at most 100
 * @returns best first, without the picture itself
 * @throws ClassifierError features_missing, too_many_pictures, pictures_unavailable
 */
export async function findSimilar(
  store: PictureStore,
  key: string,
  limit: number,
): Promise<{ readonly compared: number; readonly similar: readonly Similar[] }> {
  const wanted = await store.features(key);
  if (!wanted) throw new ClassifierError({ code: "features_missing", key });
  const measured = await store.countLabelled(maxComparedPictures + 1);
  if (measured > maxComparedPictures) {
    throw new ClassifierError({ code: "too_many_pictures", measured, limit: maxComparedPictures });
  }
  let best: { key: string; similarity: number }[] = [];
  let compared = 0;
  for (let after = ""; ; ) {
    const page = await store.featuresAfter(wanted.model, after, pagePictures);
    const others = page.filter((other) => other.key !== key);
    compared += others.length;
    const scored = others.map((other) => ({
      key: other.key,
      similarity: cosine(wanted.features, other.features),
    }));
    best = [...best, ...scored].sort((a, b) => b.similarity - a.similarity).slice(0, limit);
    if (page.length < pagePictures) break;
    after = page.at(-1)!.key;
  }
  const rows = new Map((await store.rows(best.map((found) => found.key))).map((row) => [row.key, row]));
  // A picture may have been deleted meanwhile.
  const similar = best.flatMap(({ key: other, similarity }) => {
    const row = rows.get(other);
    return row ? [{ row, similarity }] : [];
  });
  return { compared, similar };
}

/** Cosine of two vectors of equal length. 0 if one of them is zero. */
function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i] ?? 0];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}
