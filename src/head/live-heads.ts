/**
 * The format of `heads/<name>/current.json`: which head is live on each version of the model, and the heads before it.
 * Writing this file makes a head live. It can list heads for versions of the model that are not live, so the model can
 * change, and change back, and always find its head.
 */
import { z } from "zod";
import { maxHeadBackbones, maxHeadBytes, maxHeadHistory } from "../limits.ts";
import { formatNumber } from "../model/json-file.ts";
import { headsFolder, packNameSchema, packVersionSchema } from "../model/manifest.ts";

const entrySchema = z.object({
  version: packVersionSchema,
  backbone: z.object({ name: packNameSchema, version: packVersionSchema }),
  /** Size and hash of the head's file, which is checked before it is parsed. */
  bytes: z.int().min(1).max(maxHeadBytes),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits"),
  pushed_at: z.string(),
});

/** Schema of current.json. */
export const headCurrentSchema = z.object({
  format: formatNumber(1),
  name: packNameSchema,
  /** At most one for each version of the model. */
  live: z.array(entrySchema).min(1).max(maxHeadBackbones),
  /** Every version that was pushed, newest first, for rollback. */
  history: z.array(entrySchema).max(maxHeadHistory),
});

/** One version of a head. */
export type HeadEntry = Readonly<z.infer<typeof entrySchema>>;
/** The content of current.json. */
export type HeadCurrent = Readonly<z.infer<typeof headCurrentSchema>>;

/** The version of the model whose features a head takes. */
export type Backbone = HeadEntry["backbone"];

/** Key of a head's current.json in the bucket. */
export function headCurrentKey(name: string): string {
  return `${headsFolder}/${name}/current.json`;
}

/** Returns the name of the head whose current.json has this key. Undefined for other keys. */
export function headOfCurrentKey(key: string): string | undefined {
  const [folder, name, file, ...rest] = key.split("/");
  return folder === headsFolder && file === "current.json" && rest.length === 0 ? name : undefined;
}

/** Key of a head's file in the bucket. */
export function headKey(name: string, version: string): string {
  return `${headsFolder}/${name}/${version}.json`;
}

/** A backbone as name/version. */
export function backboneText({ name, version }: Backbone): string {
  return `${name}/${version}`;
}

const metadataSchema = z.array(entrySchema.pick({ version: true, backbone: true })).max(maxHeadBackbones);

/** What {@link headMetadata} tells of the heads that are live. */
export type LiveMetadata = z.infer<typeof metadataSchema>;

/** Returns the R2 metadata of a current.json: which heads are live, so that a listing of the bucket tells without reading it. */
export function headMetadata({ live }: Pick<HeadCurrent, "live">): Record<string, string> {
  return { live: JSON.stringify(live.map(({ version, backbone }) => ({ version, backbone }))) };
}

/** Reads {@link headMetadata}. Undefined without it, or if it is not valid: earlier versions of `head push` wrote none. */
export function readHeadMetadata(metadata: Readonly<Record<string, string>> = {}): LiveMetadata | undefined {
  try {
    return metadataSchema.safeParse(JSON.parse(metadata.live ?? "")).data;
  } catch {
    return undefined;
  }
}

/** Returns the head that is live on `backbone`. */
export function liveOn({ live }: Pick<HeadCurrent, "live">, backbone: Backbone): HeadEntry | undefined {
  return live.find((entry) => backboneText(entry.backbone) === backboneText(backbone));
}
