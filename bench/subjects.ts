/** The names of subjects and metrics in the results. */

/** A subject of the comparison. */
export interface SubjectFacts {
  readonly title: string;
  /** Where it runs. */
  readonly where: "workerd" | "Node" | "Node, native";
}

/** All subjects. */
export const subjects = {
  ours: { title: "edge-resnet", where: "workerd" },
  "plain-int8": { title: "onnxruntime-web, int8 in one file", where: "workerd" },
  "plain-fp32": { title: "onnxruntime-web, fp32 in one file", where: "workerd" },
  tfjs: { title: "TensorFlow.js WASM, fp32", where: "Node" },
  "native-int8": { title: "onnxruntime-node, int8", where: "Node, native" },
  "native-fp32": { title: "onnxruntime-node, fp32", where: "Node, native" },
  "decode-ours": { title: "edge-resnet", where: "Node" },
  "decode-jpeg-js": { title: "jpeg-js", where: "Node" },
  "decode-jsquash": { title: "@jsquash/jpeg", where: "Node" },
  "decode-sharp": { title: "sharp", where: "Node, native" },
} as const satisfies Record<string, SubjectFacts>;

/** Name of a subject. */
export type SubjectName = keyof typeof subjects;

/** The stages of a request, in their order. */
export const stages = ["read", "hash", "model", "cache", "image", "load", "run", "total"] as const;

/** The subjects that run the model. */
export const modelSubjects = [
  "ours",
  "plain-int8",
  "plain-fp32",
  "tfjs",
  "native-int8",
  "native-fp32",
] as const;
/** The JPEG decoders. */
export const decoderNames = ["ours", "jpeg-js", "jsquash", "sharp"] as const;
/** Name of a decoder. */
export type DecoderName = (typeof decoderNames)[number];

/** The requests that are measured with a head and without. */
export const headRequests = ["miss", "hit"] as const;
/** One of headRequests. */
export type HeadRequest = (typeof headRequests)[number];

/** Names of metrics. A metric of a picture ends in its name. */
export const metrics = {
  /** First answer of a fresh isolate, 500x375 JPEG; in Node, from nothing loaded to the first logits. */
  cold: "cold",
  /** One forward pass on a prepared tensor. */
  run: "run",
  /** JPEG to answer, by the caller's clock. */
  warm: (picture: string) => `warm:${picture}`,
  /** One stage of a warm 500x375 JPEG, from Server-Timing. */
  stage: (name: string) => `stage:${name}`,
  /** /healthz, which does nothing: the share of HTTP and wrangler's proxy in every time by the caller's clock. */
  floor: "floor",
  hit: "hit",
  /** JPEG to answer, with a head and without, alternating. */
  head: (kind: HeadRequest, asked: "head" | "plain") => `${asked}:${kind}`,
  /** Eight different 500x375 JPEGs at once, until the last is answered. */
  eight: "eight",
  wasmHeap: "heap:wasm",
  /** usedSize + backingStorageSize. */
  jsHeap: "heap:js",
  peakProcess: "peak:process",
  coldCpu: "cpu:cold",
  warmCpu: (picture: string) => `cpu:${picture}`,
  hitCpu: "cpu:hit",
  r2Reads: "r2-reads",
  decode: (picture: string) => `decode:${picture}`,
  tensor: (picture: string) => `tensor:${picture}`,
  /** Largest difference of any logit from onnxruntime-node's, in thousandths of their range. */
  logitError: "logit-error",
} as const;
