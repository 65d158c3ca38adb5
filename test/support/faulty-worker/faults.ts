/** Which dependencies fail, and how. All others work. */
export interface Faults {
  /** Reads of bucket keys that contain `on`. */
  readonly bucket?: {
    readonly on: string;
    readonly how: "missing" | "throws" | "hangs" | "slow" | "cut" | "truncated" | "short" | "flipped";
  };
  readonly cache?: StoreFault;
  readonly kv?: StoreFault;
  readonly limiter?: "hangs" | "throws" | "refuses" | "garbage";
  readonly analytics?: "throws";
  readonly images?: "hangs" | "throws" | "refuses" | "cut" | "garbage" | "empty";
}

/** Faults of reads, except for the last two. Results with other classes or without numbers have a valid checksum. */
export type StoreFault =
  | "throws"
  | "hangs"
  | "garbage"
  | "html"
  | "empty"
  | "truncated"
  | "other-classes"
  | "not-numbers"
  | "put-throws"
  | "put-hangs";

/** What the stand-ins have counted since the faults were set. */
export interface Seen {
  readonly bucketReads: readonly string[];
  readonly cacheKeys: readonly string[];
  readonly kvKeys: readonly string[];
}
