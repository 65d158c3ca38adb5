/** All mutations, by family. */
import { bits, cuts, lengths } from "./mutations/damage.ts";
import { exifs } from "./mutations/exif.ts";
import { frames } from "./mutations/frame.ts";
import type { Mutation } from "./mutations/mutation.ts";
import { paddings } from "./mutations/padding.ts";
import { restarts } from "./mutations/restarts.ts";
import { scans } from "./mutations/scans.ts";
import { splices } from "./mutations/splice.ts";
import { tables } from "./mutations/tables.ts";

/** The order is part of what a seed means: a file's choices are indices into it. */
export const mutationFamilies: Readonly<Record<string, readonly Mutation[]>> = {
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
