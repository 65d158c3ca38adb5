/** Makes hostile files: a sound one, and up to three mutations upon it. Pure. */
import { type Choices, pick } from "./choices.ts";
import { mutationFamilies } from "./mutations.ts";
import type { SeedFile } from "./seeds.ts";

export interface HostileFile {
  readonly bytes: Uint8Array;
  /** Name of the sound file. */
  readonly from: string;
  /** "family: mutation", in the order in which they were applied. */
  readonly mutations: readonly string[];
}

/** Bytes beyond which a file is cut: what is larger, the Worker refuses unread (limits.ts, defaultMaxImageBytes). */
const maxFileBytes = 4 * 2 ** 20;
/** One of so many files is made from a large one, which takes a hundred times as long to decode. */
const largeEvery = 24;
/** Most files have one: each further one makes it likelier that the file is refused at once. */
const mutationCounts = [1, 1, 1, 2, 3] as const;
const families = Object.entries(mutationFamilies);

/** @param seeds small and large sound files; a file is made from one and, where a mutation needs another, from a second */
export function hostileFile(choices: Choices, seeds: readonly SeedFile[]): HostileFile {
  const small = seeds.filter(({ large }) => !large);
  const large = seeds.filter((seed) => seed.large);
  const useLarge = large.length > 0 && choices.below(largeEvery) === largeEvery - 1;
  const from = pick(choices, useLarge ? large : small);
  const mutations: string[] = [];
  let { bytes } = from;
  for (let left = pick(choices, mutationCounts); left > 0; left--) {
    const [family, members] = pick(choices, families);
    const { name, apply } = pick(choices, members);
    bytes = apply(bytes, choices, pick(choices, small).bytes).subarray(0, maxFileBytes);
    mutations.push(`${family}: ${name}`);
  }
  return { bytes: Uint8Array.from(bytes), from: from.name, mutations };
}
