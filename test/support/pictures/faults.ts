/** How the bindings of the wrapped Worker fail. */

/** Calls of the bindings, as faults and counts name them. */
export type Operation =
  | "bucket.head"
  | "bucket.get"
  | "bucket.put"
  | "bucket.delete"
  | "bucket.list"
  | "database.read"
  | "database.write"
  | "queue.send"
  | "queue.metrics";

/** What happens in the bucket just before a call: somebody uploads or deletes. */
export interface Interference {
  readonly before: Operation;
  readonly key: string;
  /** Calls of this kind on this key to let pass. */
  readonly skip?: number;
  /** Key that is uploaded or deleted. Default: that of the call. */
  readonly target?: string;
  /** The new object in base64. Undefined deletes the object. */
  readonly upload?: string;
}

/** What goes wrong. Everything else works. */
export interface Faults {
  /** Seed of the random choices. */
  readonly seed?: number;
  /** Share of the calls that fail: half of the writes after they have had their effect. */
  readonly failing?: number;
  /** Calls that may fail. Default: all. */
  readonly operations?: readonly Operation[];
  /** Share of the calls at which the invocation of the consumer ends, as if it had run out of CPU time. */
  readonly aborting?: number;
  readonly interferences?: readonly Interference[];
}

/** Calls since the faults were set. */
export type Counts = Partial<Record<Operation | "aborted", number>>;
