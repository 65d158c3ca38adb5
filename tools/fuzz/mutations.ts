/** All mutations, by family. */
import type { Mutation } from "./mutation.ts";
import { bits } from "./mutations/bits.ts";
import { cuts } from "./mutations/cut.ts";
import { exifs } from "./mutations/exif.ts";
import { frames } from "./mutations/frame.ts";
import { lengths } from "./mutations/lengths.ts";
import { paddings } from "./mutations/padding.ts";
import { restarts } from "./mutations/restarts.ts";
import { scans } from "./mutations/scans.ts";
import { splices } from "./mutations/splice.ts";
import { tables } from "./mutations/tables.ts";

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
