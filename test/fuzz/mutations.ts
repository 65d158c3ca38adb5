/** All mutations, by family. */
import { bits, cuts, lengths, paddings, splices } from "./mutations/bytes.ts";
import { exifs, frames, restarts, scans, tables } from "./mutations/headers.ts";
import type { Mutations } from "./mutations/mutation.ts";

/** The order is part of what a seed means: the choices of a file are indices into it. */
export const mutationFamilies: Readonly<Record<string, Mutations>> = {
  bits,
  cuts,
  splices,
  lengths,
  frames,
  scans,
  tables,
  restarts,
  exifs,
  paddings,
};
