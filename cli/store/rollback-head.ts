/** Makes an earlier version of a head live again on its version of the model, once its file has been found whole. */
import {
  backboneText,
  type HeadCurrent,
  type HeadEntry,
  headKey,
  liveOn,
} from "../../src/head/live-heads.ts";
import { CommandError } from "../terminal/fail.ts";
import type { StoreBucket } from "./bucket.ts";
import { headNames, unknownHead, updateHeadCurrent, withLive } from "./head-history.ts";
import { isWhole } from "./rollback.ts";

export interface HeadRollbackReport {
  readonly name: string;
  readonly version: string;
  /** name/version of the model on which it is live. */
  readonly backbone: string;
  /** The version that was live before; the same one when there was nothing to do. */
  readonly replaced: string | null;
  readonly changed: boolean;
}

/**
 * @param version without it, the one before the live one, where the head is live on one version of the model only
 * @throws CommandError when it is not there, or not whole
 */
export async function rollbackHead(
  bucket: StoreBucket,
  name: string,
  version?: string,
): Promise<HeadRollbackReport> {
  return updateHeadCurrent<HeadRollbackReport>(bucket, name, async (current) => {
    if (!current) throw unknownHead(name, await headNames(bucket));
    const entry = version === undefined ? before(current) : find(current, version);
    const { backbone, bytes, sha256 } = entry;
    const old = liveOn(current, backbone);
    const facts = { name, version: entry.version, backbone: backboneText(backbone) };
    if (old?.version === entry.version) {
      return { next: undefined, report: { ...facts, replaced: old.version, changed: false } };
    }
    const key = headKey(name, entry.version);
    if (!(await isWhole(bucket, key, { name: key, bytes, sha256 }))) {
      throw new CommandError(
        `${key} is missing, or not what was pushed; nothing was changed, push that head again to make it live`,
      );
    }
    const others = current.live.filter((live) => live !== old);
    const report = { ...facts, replaced: old?.version ?? null, changed: true };
    return { next: { ...current, live: [entry, ...others] }, report };
  });
}

function find(current: HeadCurrent, version: string): HeadEntry {
  const entry = withLive(current).find((candidate) => candidate.version === version);
  if (entry) return entry;
  const here = current.history.map((candidate) => candidate.version).join(", ");
  throw new CommandError(
    `the head ${current.name} has no version ${version} (here are: ${here}); nothing was changed`,
  );
}

/** The version that was pushed before the live one, for the same version of the model. */
function before({ name, live, history }: HeadCurrent): HeadEntry {
  const [only] = live;
  if (!only || live.length > 1) {
    const lines = live.map((entry) => `${entry.version} on ${backboneText(entry.backbone)}`);
    throw new CommandError(
      `the head ${name} is live on several versions of the model (${lines.join(", ")}): name the version to go back to; npm run head -- list ${name}`,
    );
  }
  const same = history.filter((entry) => backboneText(entry.backbone) === backboneText(only.backbone));
  const previous = same[same.findIndex((entry) => entry.version === only.version) + 1];
  if (previous) return previous;
  throw new CommandError(
    `the head ${name} has no version before ${only.version} on ${backboneText(only.backbone)}; nothing was changed`,
  );
}
