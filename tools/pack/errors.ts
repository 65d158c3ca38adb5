/** Packing cannot go on: what happened, what was expected, what to do. */
export class PackError extends Error {
  override readonly name = "PackError";
}
