/** Which dependency fails, and how. What is not named is well. */
export interface Faults {
  /** Reads of the bucket whose key holds `on`. */
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

/** On reading, but for the last two. A result of other classes, or of no numbers, has the right checksum. */
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

/** What the stand-ins have seen since the faults were set. */
export interface Seen {
  readonly bucketReads: readonly string[];
  readonly cacheKeys: readonly string[];
  readonly kvKeys: readonly string[];
}
