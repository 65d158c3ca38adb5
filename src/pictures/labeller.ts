/** Makes the row of a key match its object, whatever is uploaded, deleted or labelled meanwhile. */
import { classificationOf } from "../classifier/answers.ts";
import type { RequestContext, Stages } from "../classifier/classifier.ts";
import type { ResolvedOptions } from "../classifier/options.ts";
import type { Scorer } from "../classifier/score.ts";
import { ClassifierError, type ReasonCode } from "../errors.ts";
import type { PictureBucket, StoredObject } from "./bindings.ts";
import type { LabelRequest } from "./messages.ts";
import { ObjectChanged, objectSource } from "./object-source.ts";
import type { Labelled, PictureRow, PictureStore, RowState, Unlabelled, Versions } from "./picture-store.ts";
import { copyToQuarantine, deleteCopied, isBlocked, type QuarantineRules } from "./quarantine.ts";
import { picturesUnavailable, reach } from "./unavailable.ts";

/** How pictures are labelled. */
export interface LabellerOptions {
  readonly bucket: PictureBucket;
  readonly store: PictureStore;
  readonly scorer: Scorer;
  readonly maxImageBytes: number;
  /** Head whose classes the labels are of. Undefined: the model's own classes. */
  readonly head: string | undefined;
  readonly keepFeatures: boolean;
  /** Undefined: no object moves. */
  readonly quarantine: QuarantineRules | undefined;
}

/** Errors of the object itself. Trying again does not help. */
const permanentCodes: ReadonlySet<ReasonCode> = new Set([
  "empty_body",
  "image_too_large",
  "unsupported_image",
  "image_undecodable",
]);

/** Versions of one object that a message follows before it waits for a retry. */
const maxRounds = 5;

/** Labels objects. One per isolate. */
export class Labeller {
  readonly #options: LabellerOptions;

  constructor(options: LabellerOptions) {
    this.#options = options;
  }

  /** Returns the live model and head: those of the rows that are current. */
  async versions(): Promise<Versions> {
    return versionsOf(await this.#resolve());
  }

  /** Whether a row needs another label: other versions made it, or it lacks the features that are kept. */
  isStale(row: RowState, live: Versions): boolean {
    if (row.failed) return false;
    const lacksFeatures = this.#options.keepFeatures && !row.hasFeatures;
    return row.model !== live.model || row.head !== live.head || lacksFeatures;
  }

  /** Whether the object with this key is a copy in quarantine, which is not labelled again. */
  isQuarantined(key: string): boolean {
    const { quarantine } = this.#options;
    return quarantine !== undefined && key.startsWith(quarantine.prefix);
  }

  /**
   * Labels the current object of a key, or removes the row if there is none. A write is followed by another look at the
   * object, and repeated if it has changed: whichever of two concurrent calls writes last then leaves the right row.
   * @param stages receives the time that each stage takes
   * @returns what was done last
   * @throws ClassifierError for failures that may pass: of the bucket, the database, the model or the head, and overload
   */
  async label(
    request: LabelRequest,
    stages: Stages,
  ): Promise<"labelled" | "failed" | "moved" | "removed" | "unchanged"> {
    const { key } = request;
    const head = () => stages.time("head", () => this.#head(key));
    let object = await head();
    for (let round = 1; round <= maxRounds; round++) {
      const done = await this.#settle(object, request, stages);
      if (done === "unchanged") return done;
      const latest = await head();
      if (done !== "changed" && isVersion(latest, done === "moved" ? null : object)) return done;
      object = latest;
    }
    throw picturesUnavailable(`the object changed ${maxRounds} times while it was labelled`);
  }

  /** Makes the row match one version of the object. `changed` means that the bucket has another version already. */
  async #settle(object: StoredObject | null, request: LabelRequest, stages: Stages) {
    const { store } = this.#options;
    if (!object) return (await store.remove(request.key)) ? "removed" : "unchanged";
    if (this.isQuarantined(object.key)) return "unchanged";
    const row = await stages.time("find", () => store.find(object.key));
    if (isCurrent(row, object) && !(await this.#isDue(row, request))) return "unchanged";
    try {
      return await this.#labelObject(object, stages);
    } catch (error) {
      if (error instanceof ObjectChanged) return "changed";
      throw error;
    }
  }

  async #isDue(row: RowState, { refresh }: LabelRequest): Promise<boolean> {
    if (refresh === "failed") return row.failed;
    return refresh === "stale" && this.isStale(row, await this.versions());
  }

  async #labelObject(object: StoredObject, stages: Stages): Promise<"labelled" | "failed" | "moved"> {
    const { bucket, store, quarantine } = this.#options;
    const outcome = await this.#outcomeOf(object, stages);
    if (!quarantine || !isBlocked(quarantine, outcome)) {
      await stages.time("save", () => store.save(rowOf(object, outcome)));
      return "code" in outcome ? "failed" : "labelled";
    }
    const copy = await copyToQuarantine(
      bucket,
      object,
      quarantine,
      "code" in outcome ? undefined : outcome.imageSha256,
    );
    await store.save({ ...rowOf(copy, outcome), quarantinedFrom: object.key });
    await deleteCopied(bucket, object);
    await store.remove(object.key);
    return "moved";
  }

  async #outcomeOf(object: StoredObject, stages: Stages): Promise<Labelled | Unlabelled> {
    const { bucket, scorer, head, maxImageBytes, keepFeatures } = this.#options;
    const context: RequestContext = { stages, facts: {} };
    try {
      const source = objectSource(bucket, object, maxImageBytes);
      const scored = await scorer.scoreOne(source, { options: { head } }, context);
      if ("notModified" in scored) throw new Error("a score without If-None-Match is never notModified");
      const { imageSha256, result } = scored;
      return {
        ...versionsOf(scored.options),
        ...{ imageSha256, width: result.width, height: result.height },
        predictions: classificationOf(scored).predictions,
        ...(keepFeatures && { features: result.features }),
      };
    } catch (error) {
      if (!(error instanceof ClassifierError) || !permanentCodes.has(error.reason.code)) throw error;
      return { code: error.reason.code, detail: error.message };
    }
  }

  #resolve(): Promise<ResolvedOptions> {
    return this.#options.scorer.resolve({ head: this.#options.head });
  }

  #head(key: string): Promise<StoredObject | null> {
    return reach("reading the object's metadata", () => this.#options.bucket.head(key));
  }
}

function versionsOf({ pack, head }: ResolvedOptions): Versions {
  const { name, version } = pack.manifest;
  return { model: `${name}/${version}`, head: head ? `${head.name}/${head.version}` : "" };
}

/** Whether two looks at a key found the same upload, or nothing. Two uploads of equal bytes have the same etag. */
function isVersion(a: StoredObject | null, b: StoredObject | null): boolean {
  return a?.etag === b?.etag && a?.uploaded.getTime() === b?.uploaded.getTime();
}

/** Whether a row is of this upload of its object. */
export function isCurrent(row: RowState | undefined, object: StoredObject): row is RowState {
  return row?.etag === object.etag && row.uploaded === object.uploaded.getTime();
}

function rowOf(object: StoredObject, outcome: Labelled | Unlabelled): PictureRow {
  const { key, etag, uploaded } = object;
  return { key, etag, uploaded: uploaded.getTime(), labelledAt: Date.now(), outcome };
}
