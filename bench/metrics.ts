/** What is compared, and the names of what is measured. */
import type { PictureName } from "./plan.ts";

/** The subjects of the comparison, and where they run. */
export const subjects = {
  ours: { title: "edge-resnet", where: "workerd" },
  "ours-onnxruntime": { title: "edge-resnet, ENGINE = onnxruntime", where: "workerd" },
  "plain-int8": { title: "onnxruntime-web, int8 in one file", where: "workerd" },
  "plain-fp32": { title: "onnxruntime-web, fp32 in one file", where: "workerd" },
  tfjs: { title: "TensorFlow.js WASM, fp32", where: "Node" },
  "native-int8": { title: "onnxruntime-node, int8", where: "Node, native" },
  "native-fp32": { title: "onnxruntime-node, fp32", where: "Node, native" },
  "decode-ours": { title: "edge-resnet", where: "Node" },
  "decode-jpeg-js": { title: "jpeg-js", where: "Node" },
  "decode-jsquash": { title: "@jsquash/jpeg", where: "Node" },
  "decode-sharp": { title: "sharp", where: "Node, native" },
} as const;

/** Name of a subject. */
export type SubjectName = keyof typeof subjects;
/** The subjects that run the model. */
export const modelSubjects = (Object.keys(subjects) as SubjectName[]).filter(
  (name) => !name.startsWith("decode-"),
);
/** The JPEG decoders. */
export const decoderNames = ["ours", "jpeg-js", "jsquash", "sharp"] as const;
/** Name of a decoder. */
export type DecoderName = (typeof decoderNames)[number];

/** The stages of a request, in their order. */
export const stages = ["read", "hash", "model", "cache", "image", "load", "run", "total"] as const;

/** The requests that are measured with a head and without. */
export const headRequests = ["miss", "hit"] as const;

/** A measured quantity: milliseconds by the caller's clock, unless it says otherwise. */
export type Metric =
  /** First answer of a fresh isolate, 500x375 JPEG; in Node, from nothing loaded to the first logits. */
  | "cold"
  /** One forward pass on a prepared tensor. */
  | "run"
  /** JPEG to answer. */
  | `warm:${PictureName}`
  /** One stage of a warm 500x375 JPEG, from Server-Timing. */
  | `stage:${(typeof stages)[number]}`
  /** /healthz, which does nothing: the share of HTTP and wrangler's proxy in every time. */
  | "floor"
  | "hit"
  /** JPEG to answer, with a head and without, alternating. */
  | `${"head" | "plain"}:${(typeof headRequests)[number]}`
  /** Eight different 500x375 JPEGs at once, until the last is answered. */
  | "eight"
  /** Bytes of the engine's WASM memory. */
  | "heap:wasm"
  /** Bytes of usedSize + backingStorageSize. */
  | "heap:js"
  /** Largest resident size of the process, in bytes. */
  | "peak:process"
  /** CPU time of all threads of the Worker's process, per request. */
  | `cpu:${"cold" | "hit" | PictureName}`
  /** Number of objects that a cold start reads from R2. */
  | "r2-reads"
  /** JPEG to pixels. */
  | `decode:${PictureName}`
  /** JPEG to the model's input. */
  | `tensor:${PictureName}`
  /** Largest difference of any logit from onnxruntime-node's, in thousandths of their range. */
  | "logit-error";

/** The values of several metrics, from one process. */
export type Measurements = Readonly<Partial<Record<Metric, readonly number[]>>>;
