/** What a mutation is. */
import type { Choices } from "./choices.ts";

export interface Mutation {
  /** As recipes and the report name it. */
  readonly name: string;
  /** Another file; `other` is a sound file to take parts from. A file without the part in question stays as it is. */
  apply(bytes: Uint8Array, choices: Choices, other: Uint8Array): Uint8Array;
}
