/** Globals of workerd that Node lacks. Tests type-check code that uses them, but do not run it. */
declare class IdentityTransformStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor();
}
declare class FixedLengthStream extends IdentityTransformStream {
  constructor(length: number);
}
