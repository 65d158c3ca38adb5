/** What workerd has and Node has not: tests type-check code that uses it, and do not run it. */
declare class IdentityTransformStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor();
}
declare class FixedLengthStream extends IdentityTransformStream {
  constructor(length: number);
}
