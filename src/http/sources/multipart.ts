/** multipart/form-data with one or many `image` parts. */
import {
  getMultipartBoundary,
  MaxPartsExceededError,
  MultipartParseError,
  MultipartParser,
  type MultipartPart,
} from "@remix-run/multipart-parser";
import { freeBytes } from "../../bytes/free-bytes.ts";
import { joinChunks } from "../../bytes/read-stream.ts";
import { ClassifierError } from "../../errors.ts";

/** At 0.1 s per image, the last of eight is answered within a second. */
const maxImagesPerRequest = 8;
const maxPartHeaderBytes = 8 * 1024;

const expected = "multipart/form-data whose parts are all named image, each with the bytes of one JPEG";

/**
 * The images of a multipart body, each in a buffer of its own.
 * @param chunks the body, already bounded: it is all that the images together can occupy
 * @throws ClassifierError malformed_body, too_many_images, and what `chunks` throws
 */
export async function readImageParts(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
): Promise<Uint8Array[]> {
  const boundary = getMultipartBoundary(contentType)?.trim();
  // RFC 2046, 5.1.1: 1 to 70 characters.
  if (!boundary || !/^[\x20-\x7e]{1,70}$/.test(boundary)) throw malformed("Content-Type names no boundary");
  const parser = new MultipartParser(boundary, {
    maxHeaderSize: maxPartHeaderBytes,
    maxParts: maxImagesPerRequest,
    // The chunks are bounded already.
    maxFileSize: Number.MAX_SAFE_INTEGER,
    maxTotalSize: Number.MAX_SAFE_INTEGER,
  });
  const images: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) {
      for (const part of partsOf(parser, chunk)) images.push(imageOf(part));
    }
    parser.finish();
  } catch (error) {
    images.forEach(freeBytes);
    if (error instanceof MaxPartsExceededError) {
      const [measured, limit] = [maxImagesPerRequest + 1, maxImagesPerRequest];
      throw new ClassifierError({ code: "too_many_images", measured, limit });
    }
    // The second is what a part's headers give when they are not UTF-8.
    if (error instanceof MultipartParseError || error instanceof TypeError) {
      throw malformed(error.message.replace(/\.$/, ""), error);
    }
    throw error;
  }
  if (images.length === 0) throw malformed("it has no parts");
  return images;
}

/** What follows the closing boundary is to be ignored (RFC 2046), but the parser calls it an error. */
function* partsOf(parser: MultipartParser, chunk: Uint8Array): Generator<MultipartPart> {
  try {
    yield* parser.write(chunk);
  } catch (error) {
    if (!isFinished(parser)) throw error;
  }
}

function isFinished(parser: MultipartParser): boolean {
  try {
    parser.finish();
    return true;
  } catch {
    return false;
  }
}

function imageOf(part: MultipartPart): Uint8Array {
  if (part.name !== "image") {
    throw malformed(`it has a part named ${JSON.stringify(part.name?.slice(0, 100) ?? "")}`);
  }
  // A copy: parts lie side by side in the chunks that came, and each image's memory is given back on its own.
  return joinChunks(part.content);
}

function malformed(detail: string, cause?: unknown): ClassifierError {
  return new ClassifierError({ code: "malformed_body", detail, expected }, { cause });
}
