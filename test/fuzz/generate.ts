/** Makes hostile files: a valid one with up to three mutations. */
import { type Choices, pick } from "./choices.ts";
import { bits, cuts, lengths, paddings, splices } from "./mutations/bytes.ts";
import { gifMutations } from "./mutations/gif.ts";
import { exifs, frames, restarts, scans, tables } from "./mutations/headers.ts";
import type { Mutations } from "./mutations/mutation.ts";
import { pngMutations } from "./mutations/png.ts";
import { webpMutations } from "./mutations/webp.ts";
import type { SeedFile } from "./seeds.ts";

/** Files are cut to this size. */
const maxFileBytes = 4 * 2 ** 20;
/** One file in this many is made from a large one, which takes a hundred times as long to decode. */
const largeEvery = 24;
/** Mostly one: with each further mutation a file is more likely to be refused at once. */
const mutationCounts = [1, 1, 1, 2, 3] as const;
/** The families of each format. Their order is part of what a seed means: the choices of a file are indices into them. */
export const mutationFamilies: Readonly<Record<SeedFile["format"], Readonly<Record<string, Mutations>>>> = {
  jpeg: { bits, cuts, splices, lengths, frames, scans, tables, restarts, exifs, paddings },
  png: pngMutations,
  webp: webpMutations,
  gif: gifMutations,
};

/**
 * Makes a file.
 * @param seeds Small and large valid files. The file is made from one of them, and from a second of the same format if a
 *   mutation needs it.
 */
export function hostileFile(choices: Choices, seeds: readonly SeedFile[]) {
  const small = seeds.filter(({ large }) => !large);
  const large = seeds.filter((seed) => seed.large);
  const useLarge = large.length > 0 && choices.below(largeEvery) === largeEvery - 1;
  const from = pick(choices, useLarge ? large : small);
  const others = small.filter(({ format }) => format === from.format);
  const families = Object.entries(mutationFamilies[from.format]);
  const mutations: string[] = [];
  let { bytes } = from;
  for (let left = pick(choices, mutationCounts); left > 0; left--) {
    const [family, members] = pick(choices, families);
    const [name, mutate] = pick(choices, Object.entries(members));
    bytes = mutate(bytes, choices, pick(choices, others).bytes).subarray(0, maxFileBytes);
    mutations.push(`${family}: ${name}`);
  }
  const { format } = from;
  // `from` is the name of the valid file; each mutation is "family: name", in the order in which they were applied.
  return { bytes: Uint8Array.from(bytes), format, from: from.name, mutations };
}
