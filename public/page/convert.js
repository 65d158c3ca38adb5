/** Converts pictures that the Worker cannot read, or that are too large for it, to small JPEGs in the browser. */

/** Pixels of the shorter side: more than any model's input, so that its input hardly changes. */
const shortSide = 512;
const quality = 0.92;

/** First bytes, as Latin-1, of the formats that the Worker decodes: JPEG, PNG, GIF and WebP. */
const readable = /^(\xff\xd8|\x89PNG|GIF8|RIFF....WEBP)/s;

/**
 * Whether the Worker decodes the format of a file, by its first bytes. Its name and type may be wrong.
 * @param {Blob} file
 */
export async function isReadable(file) {
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return readable.test(String.fromCharCode(...start));
}

/**
 * Returns a picture as a small, upright JPEG. Returns undefined if the browser cannot draw the file.
 * @param {Blob} file
 * @returns {Promise<Blob | undefined>}
 */
export async function smallJpeg(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, shortSide / Math.min(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    if (!context) return undefined;
    // JPEG has no transparency: draw transparent pixels on white instead of black.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((resolve) =>
      canvas.toBlob((blob) => resolve(blob ?? undefined), "image/jpeg", quality),
    );
  } catch {
    return undefined;
  }
}
