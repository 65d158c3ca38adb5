/** A small JSON body of a request that carries no image. */
import type { z } from "zod";
import type { JsonLimits } from "../../bytes/bounded-json.ts";
import { readStream } from "../../bytes/read-stream.ts";
import { ClassifierError } from "../../errors.ts";
import { parseJsonBody } from "./request-source.ts";

/** Bytes of a body: 100 messages of the largest size, each with a key of 1,024 bytes. */
const maxBytes = 256 * 1024;
/** 100 messages of two objects and a dozen members. */
const limits: JsonLimits = { maxDepth: 8, maxStructure: 8192 };
const pace = { idleMs: 10_000, minBytesPerSecond: 16 * 1024 };

/**
 * Reads a JSON body and validates it. An empty body counts as `{}`.
 * @param expected the shape that the body should have, for the error
 * @throws ClassifierError malformed_body
 */
export async function readJsonBody<T>(request: Request, schema: z.ZodType<T>, expected: string): Promise<T> {
  const malformed = (detail: string) => new ClassifierError({ code: "malformed_body", detail, expected });
  const bytes = request.body
    ? await readStream(request.body, {
        ...{ maxBytes, pace, signal: request.signal },
        errorOf: (fault) =>
          malformed(fault.kind === "too_large" ? `it has more than ${maxBytes} bytes` : fault.detail),
      })
    : new Uint8Array(0);
  const json = bytes.length === 0 ? new TextEncoder().encode("{}") : bytes;
  return parseJsonBody(json, { schema, expected }, limits);
}
