/** A large photo made small, or another format made JPEG, by the browser. */

/** Pixels of the shorter side: twice what the model looks at, so that what it sees stays the same. */
const shortSide = 512;
const quality = 0.92;

/**
 * A small JPEG of an image, upright.
 * @param {Blob} file
 * @returns {Promise<Blob>} the file itself where it is small already, or where the browser cannot read it
 */
export async function shrink(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  const scale = Math.min(1, shortSide / Math.min(bitmap.width, bitmap.height));
  if (scale === 1 && file.type === "image/jpeg") return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  if (!context) return file;
  // Where an image is transparent, JPEG has nothing: white, not black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  /** @type {Blob | null} */
  const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
  return small ?? file;
}
