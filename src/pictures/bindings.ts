/** The parts of the bindings PICTURES, PICTURES_DB and PICTURES_QUEUE that labelling a bucket uses. */

/** An object of the bucket, without its bytes. */
export interface StoredObject {
  readonly key: string;
  readonly etag: string;
  readonly size: number;
  readonly uploaded: Date;
  /** `sha256` is there if the uploader sent it. R2 checks it on arrival. */
  readonly checksums: { readonly sha256?: ArrayBuffer };
  readonly httpMetadata?: object;
  readonly customMetadata?: Readonly<Record<string, string>>;
}

/** An object with its bytes. */
export interface StoredBody extends StoredObject {
  readonly body: ReadableStream<Uint8Array>;
}

/** An R2 bucket. */
export interface PictureBucket {
  head(key: string): Promise<StoredObject | null>;
  /** Resolves to an object without `body` if `onlyIf` does not hold. */
  get(
    key: string,
    options: { readonly onlyIf: { readonly etagMatches: string } },
  ): Promise<StoredBody | StoredObject | null>;
  put(
    key: string,
    value: ReadableStream<Uint8Array>,
    options: {
      readonly sha256?: string;
      readonly httpMetadata?: object;
      readonly customMetadata?: Readonly<Record<string, string>>;
    },
  ): Promise<StoredObject | null>;
  delete(key: string): Promise<void>;
  list(options: {
    readonly prefix?: string;
    readonly startAfter?: string;
    readonly limit?: number;
  }): Promise<{ readonly objects: readonly StoredObject[]; readonly truncated: boolean }>;
}

/** A value that D1 stores. */
export type Value = string | number | null | Uint8Array;

/** A prepared statement of D1. */
export interface Statement {
  bind(...values: Value[]): Statement;
  all<Row>(): Promise<{ readonly results: Row[]; readonly meta: { readonly changes: number } }>;
}

/** A D1 database with the tables of migrations/. */
export interface PictureDatabase {
  prepare(sql: string): Statement;
}

/** The producer of the queue that this Worker consumes. */
export interface PictureQueue {
  /** At most 100 messages. */
  sendBatch(messages: readonly { readonly body: unknown }[]): Promise<unknown>;
  /** The messages that wait. */
  metrics(): Promise<{ readonly backlogCount: number }>;
}

/** A message of a queue. */
export interface PictureMessage {
  readonly id: string;
  readonly body: unknown;
  /** 1 for the first delivery. */
  readonly attempts: number;
  ack(): void;
  retry(options: { readonly delaySeconds: number }): void;
}

/** Messages that a queue delivers together. */
export interface PictureBatch {
  readonly queue: string;
  readonly messages: readonly PictureMessage[];
}
