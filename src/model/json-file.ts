/** JSON files of the bucket, checked against a schema. */
import { z } from "zod";
import { JsonError, type JsonLimits, parseJson } from "../bytes/bounded-json.ts";

/** A file cannot be used. The message names the file and what is wrong with it. */
export class FileError extends Error {}

/** Builds the error for a file whose content is wrong. */
export function invalidFile(file: string, detail: string): FileError {
  return new FileError(`${file} is not valid: ${detail}`);
}

/** Schema of a file's format number. Files of other formats are refused. */
export function formatNumber<const N extends number>(...formats: readonly [N, ...N[]]) {
  const known = `format${formats.length > 1 ? "s" : ""} ${formats.join(" and ")}`;
  return z.literal(formats, {
    error: ({ input }) => `it has format ${JSON.stringify(input)?.slice(0, 40)}; this version reads ${known}`,
  });
}

/**
 * Parses a JSON file.
 * @param file name of the file, for errors
 * @throws FileError
 */
export function parseFile<T>(file: string, bytes: Uint8Array, schema: z.ZodType<T>, limits: JsonLimits): T {
  let json: unknown;
  try {
    json = parseJson(bytes, limits);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new FileError(`${file} ${cause.message}`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalidFile(file, `${issue?.path.join(".") || "the document"}: ${issue?.message}`);
}
