/** The rows of labelled pictures in D1. migrations/0001_pictures.sql describes the columns. */
import { float32Bytes, hexToBytes } from "../bytes/byte-arrays.ts";
import type { Prediction } from "../model/scores.ts";
import type { PictureDatabase, Value } from "./bindings.ts";
import { reach } from "./unavailable.ts";

/** What a row says about its object. */
export interface PictureRow {
  readonly key: string;
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly uploaded: number;
  /** Milliseconds since 1970. */
  readonly labelledAt: number;
  readonly quarantinedFrom?: string | undefined;
  readonly outcome: Labelled | Unlabelled;
}

/** The scores of a picture. */
export interface Labelled {
  /** As name/version. */
  readonly model: string;
  /** As name/version. Empty if the model's own classes answered. */
  readonly head: string;
  readonly imageSha256: string;
  /** Pixels as displayed. */
  readonly width: number;
  readonly height: number;
  /** Best first, at least one. */
  readonly predictions: readonly Prediction[];
  /** [feature_size], if features are kept. */
  readonly features?: Float32Array | undefined;
}

/** Why an object has no label. */
export interface Unlabelled {
  /** The error code. */
  readonly code: string;
  readonly detail: string;
}

/** What answered, each as name/version. */
export interface Versions {
  readonly model: string;
  readonly head: string;
}

/** The part of a row that tells whether it is current. */
export interface RowState extends Partial<Versions> {
  readonly key: string;
  readonly etag: string;
  readonly uploaded: number;
  readonly hasFeatures: boolean;
  readonly failed: boolean;
  readonly quarantined: boolean;
}

/** Which rows to list. */
export interface Filter {
  readonly label?: string | undefined;
  readonly minScore?: number | undefined;
  readonly code?: string | undefined;
  readonly key?: string | undefined;
  readonly prefix?: string | undefined;
}

/** A place in a list: that of the last row before it. */
export interface Position {
  readonly key: string;
  /** Score of that row. Only lists by label have it. */
  readonly score?: number | undefined;
}

/** Rows of one model, one head and one error code, which is null for labelled pictures. */
export interface StateCount extends Versions {
  readonly code: string | null;
  readonly count: number;
}

/** A message that was given up. */
export interface DeadLetter {
  readonly id: string;
  readonly key: string | undefined;
  readonly body: unknown;
}

/** Sorts after every key with the same beginning: the highest code point. */
const afterAnyCharacter = "\u{10ffff}";

const stateColumns =
  "key, etag, uploaded, model, head, features IS NOT NULL AS has_features, code IS NOT NULL AS failed, quarantined_from IS NOT NULL AS quarantined";

/** Reads and writes the rows. Every method throws ClassifierError pictures_unavailable if D1 fails. */
export class PictureStore {
  readonly #database: PictureDatabase;

  constructor(database: PictureDatabase) {
    this.#database = database;
  }

  /** Returns the state of the row of a key. */
  async find(key: string): Promise<RowState | undefined> {
    const { results } = await this.#run<RawState>(`SELECT ${stateColumns} FROM pictures WHERE key = ?`, key);
    return results[0] && stateOf(results[0]);
  }

  /**
   * Returns the states of up to `limit` rows by key: those whose keys begin with `prefix`, come after `after`, and are at
   * most `last`.
   */
  async range(
    {
      prefix,
      after,
      last,
    }: { readonly prefix: string; readonly after: string; readonly last?: string | undefined },
    limit: number,
  ): Promise<RowState[]> {
    const sql = `SELECT ${stateColumns} FROM pictures WHERE key >= ? AND key > ? AND key <= ? ORDER BY key LIMIT ?`;
    const end = last ?? prefix + afterAnyCharacter;
    return (await this.#run<RawState>(sql, prefix, after, end, limit)).results.map(stateOf);
  }

  /** Writes a row, unless the stored row is of a newer upload. */
  async save({ key, etag, uploaded, labelledAt, quarantinedFrom, outcome }: PictureRow): Promise<void> {
    const scores = "code" in outcome ? undefined : outcome;
    const failure = "code" in outcome ? outcome : undefined;
    const best = scores?.predictions[0];
    const values: Record<string, Value> = {
      key,
      etag,
      uploaded,
      labelled_at: labelledAt,
      model: scores?.model ?? null,
      head: scores?.head ?? "",
      image_sha256: scores?.imageSha256 ?? null,
      width: scores?.width ?? null,
      height: scores?.height ?? null,
      predictions: scores ? JSON.stringify(scores.predictions) : null,
      label: best?.label ?? null,
      score: best?.score ?? null,
      features: scores?.features ? float32Bytes(scores.features) : null,
      code: failure?.code ?? null,
      detail: failure?.detail ?? null,
      quarantined_from: quarantinedFrom ?? null,
    };
    const columns = Object.keys(values);
    const updates = columns.filter((column) => column !== "key").map((name) => `${name} = excluded.${name}`);
    await this.#run(
      `INSERT INTO pictures (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})
       ON CONFLICT (key) DO UPDATE SET ${updates.join(", ")} WHERE excluded.uploaded >= pictures.uploaded`,
      ...Object.values(values),
    );
  }

  /** Deletes the row of a key. Returns whether there was one. */
  async remove(key: string): Promise<boolean> {
    const { meta } = await this.#run("DELETE FROM pictures WHERE key = ?", key);
    return meta.changes > 0;
  }

  /** Returns up to `limit` rows after `from`: by score if `filter` names a label, otherwise by key. */
  async list(
    filter: Filter,
    from: Position | undefined,
    limit: number,
    features: boolean,
  ): Promise<PictureRow[]> {
    const conditions: string[] = [];
    const values: Value[] = [];
    const where = (condition: string, ...bound: Value[]) => {
      conditions.push(condition);
      values.push(...bound);
    };
    const { label, minScore, code, key, prefix } = filter;
    if (label !== undefined) where("label = ?", label);
    if (minScore !== undefined) where("score >= ?", minScore);
    if (code !== undefined) where("label IS NULL AND code = ?", code);
    if (key !== undefined) where("key = ?", key);
    if (prefix !== undefined) where("key >= ? AND key < ?", prefix, prefix + afterAnyCharacter);
    if (from?.score !== undefined)
      where("(score < ? OR (score = ? AND key > ?))", from.score, from.score, from.key);
    else if (from) where("key > ?", from.key);
    const order = label === undefined ? "key" : "score DESC, key";
    const sql = `SELECT key, etag, uploaded, labelled_at, model, head, image_sha256, width, height, predictions, code,
      detail, quarantined_from, ${features ? "hex(features)" : "NULL"} AS features FROM pictures
      ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""} ORDER BY ${order} LIMIT ?`;
    return (await this.#run<RawRow>(sql, ...values, limit)).results.map(rowOf);
  }

  /** Returns the rows of these keys, at most 100, in any order. */
  async rows(keys: readonly string[]): Promise<PictureRow[]> {
    const places = keys.map(() => "?").join(", ");
    const sql = `SELECT key, etag, uploaded, labelled_at, model, head, image_sha256, width, height, predictions, code,
      detail, quarantined_from, NULL AS features FROM pictures WHERE key IN (${places})`;
    return (await this.#run<RawRow>(sql, ...keys)).results.map(rowOf);
  }

  /** Counts the rows by label, most frequent first. */
  async labelCounts(): Promise<{ label: string; count: number }[]> {
    const sql =
      "SELECT label, COUNT(*) AS count FROM pictures WHERE label IS NOT NULL GROUP BY label ORDER BY count DESC, label";
    return (await this.#run<{ label: string; count: number }>(sql)).results;
  }

  /** Counts the rows by model, head and error code. */
  async stateCounts(): Promise<StateCount[]> {
    const sql = "SELECT model, head, code, COUNT(*) AS count FROM pictures GROUP BY model, head, code";
    return (await this.#run<StateCount>(sql)).results;
  }

  /** Returns the features of a key and the model that they are of. Undefined if it has none. */
  async features(key: string): Promise<{ model: string; features: Float32Array } | undefined> {
    const sql =
      "SELECT model, hex(features) AS features FROM pictures WHERE key = ? AND features IS NOT NULL";
    const [row] = (await this.#run<{ model: string; features: string }>(sql, key)).results;
    return row && { model: row.model, features: floatsOf(row.features) };
  }

  /** Returns the features of up to `limit` rows of a model after a key, by key. */
  async featuresAfter(
    model: string,
    key: string,
    limit: number,
  ): Promise<{ key: string; features: Float32Array }[]> {
    const sql = `SELECT key, hex(features) AS features FROM pictures
      WHERE key > ? AND model = ? AND features IS NOT NULL ORDER BY key LIMIT ?`;
    const { results } = await this.#run<{ key: string; features: string }>(sql, key, model, limit);
    return results.map((row) => ({ key: row.key, features: floatsOf(row.features) }));
  }

  /** Counts labelled pictures, up to `limit`. */
  async countLabelled(limit: number): Promise<number> {
    const sql = "SELECT COUNT(*) AS count FROM (SELECT 1 FROM pictures WHERE label IS NOT NULL LIMIT ?)";
    return (await this.#run<{ count: number }>(sql, limit)).results[0]!.count;
  }

  /** Returns up to `limit` keys after `key` of objects that could not be labelled, except for those in quarantine. */
  async failedKeys(key: string, limit: number): Promise<string[]> {
    const sql = `SELECT key FROM pictures WHERE label IS NULL AND score IS NULL AND key > ? AND quarantined_from IS NULL
      ORDER BY key LIMIT ?`;
    return (await this.#run<{ key: string }>(sql, key, limit)).results.map((row) => row.key);
  }

  /** Records a message that was given up. A second delivery changes nothing. */
  async bury({ id, key, body }: DeadLetter, nowMs: number): Promise<void> {
    const sql =
      "INSERT INTO dead_letters (id, key, body, died_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
    await this.#run(sql, id, key ?? null, JSON.stringify(body) ?? "null", nowMs);
  }

  /** Returns up to `limit` messages that were given up and name an object. */
  async deadLetters(limit: number): Promise<DeadLetter[]> {
    const sql = "SELECT id, key, body FROM dead_letters WHERE key IS NOT NULL ORDER BY id LIMIT ?";
    const { results } = await this.#run<{ id: string; key: string; body: string }>(sql, limit);
    return results.map(({ id, key, body }) => ({ id, key, body: JSON.parse(body) }));
  }

  /** Counts all messages that were given up, and names the objects of the newest. */
  async deadLetterSummary(maxKeys: number): Promise<{ count: number; keys: string[] }> {
    const sql = `SELECT key, body, (SELECT COUNT(*) FROM dead_letters) AS count FROM dead_letters
      ORDER BY died_at DESC, id LIMIT ?`;
    const { results } = await this.#run<{ key: string | null; body: string; count: number }>(sql, maxKeys);
    return {
      count: results[0]?.count ?? 0,
      keys: results.map(({ key, body }) => key ?? `not understood: ${body.slice(0, 100)}`),
    };
  }

  /** Forgets messages: at most 100. */
  async forget(ids: readonly string[]): Promise<void> {
    await this.#run(`DELETE FROM dead_letters WHERE id IN (${ids.map(() => "?").join(", ")})`, ...ids);
  }

  #run<Row>(sql: string, ...values: Value[]) {
    return reach("the query of the database", () =>
      this.#database
        .prepare(sql)
        .bind(...values)
        .all<Row>(),
    );
  }
}

interface RawState {
  readonly key: string;
  readonly etag: string;
  readonly uploaded: number;
  readonly model: string | null;
  readonly head: string;
  readonly has_features: number;
  readonly failed: number;
  readonly quarantined: number;
}

function stateOf({ key, etag, uploaded, model, head, ...flags }: RawState): RowState {
  return {
    ...{ key, etag, uploaded, head },
    ...(model !== null && { model }),
    hasFeatures: flags.has_features === 1,
    failed: flags.failed === 1,
    quarantined: flags.quarantined === 1,
  };
}

interface RawRow {
  readonly key: string;
  readonly etag: string;
  readonly uploaded: number;
  readonly labelled_at: number;
  readonly model: string;
  readonly head: string;
  readonly image_sha256: string;
  readonly width: number;
  readonly height: number;
  readonly predictions: string;
  readonly code: string | null;
  readonly detail: string | null;
  readonly quarantined_from: string | null;
  /** In hex: D1 returns a BLOB as an array of numbers, which takes over ten times as long. */
  readonly features: string | null;
}

function rowOf(row: RawRow): PictureRow {
  const { key, etag, uploaded, model, head, width, height } = row;
  const outcome =
    row.code === null
      ? {
          ...{ model, head, width, height, imageSha256: row.image_sha256 },
          predictions: JSON.parse(row.predictions) as Prediction[],
          features: row.features ? floatsOf(row.features) : undefined,
        }
      : { code: row.code, detail: row.detail ?? "" };
  const quarantinedFrom = row.quarantined_from ?? undefined;
  return { key, etag, uploaded, labelledAt: row.labelled_at, quarantinedFrom, outcome };
}

/** Reads little-endian float32 values in hex. */
function floatsOf(hex: string): Float32Array {
  const view = new DataView(hexToBytes(hex).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
