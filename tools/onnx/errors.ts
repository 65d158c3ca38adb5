/** The file is not ONNX that this project can read; the message says where and what was expected. */
export class OnnxError extends Error {
  override readonly name = "OnnxError";
}
