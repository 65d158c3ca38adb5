/**
 * `heads/<name>/current.json`: for each version of the model the head that is live on it, and the heads before. Writing it
 * is what makes a head live. A head for a version that is not live yet waits here, so that the model can change, and
 * change back, without a request that finds none. Pure.
 */
import { z } from "zod";
import { maxHeadBackbones, maxHeadBytes, maxHeadHistory } from "../limits.ts";
import { headsFolder, packNameSchema, packVersionSchema } from "../model/manifest.ts";

const entrySchema = z.object({
  version: packVersionSchema,
  backbone: z.object({ name: packNameSchema, version: packVersionSchema }),
  /** Of the head's file: it is checked before it is read. */
  bytes: z.int().min(1).max(maxHeadBytes),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits"),
  pushed_at: z.string(),
});

export const headCurrentSchema = z.object({
  format: z.literal(1),
  name: packNameSchema,
  /** At most one for each version of the model. */
  live: z.array(entrySchema).min(1).max(maxHeadBackbones),
  /** Every version that was pushed, newest first, for rollback. */
  history: z.array(entrySchema).max(maxHeadHistory),
});

export type HeadEntry = Readonly<z.infer<typeof entrySchema>>;
export type HeadCurrent = Readonly<z.infer<typeof headCurrentSchema>>;

/** A version of the model, as a head names it. */
export type Backbone = HeadEntry["backbone"];

export function headCurrentKey(name: string): string {
  return `${headsFolder}/${name}/current.json`;
}

export function headKey(name: string, version: string): string {
  return `${headsFolder}/${name}/${version}.json`;
}

export function backboneText({ name, version }: Backbone): string {
  return `${name}/${version}`;
}

/** The head that is live on `backbone`. */
export function liveOn({ live }: Pick<HeadCurrent, "live">, backbone: Backbone): HeadEntry | undefined {
  return live.find((entry) => backboneText(entry.backbone) === backboneText(backbone));
}
