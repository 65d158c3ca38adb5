/** A large photo made small, or another format made JPEG, by the browser. */

/** Pixels of the shorter side: twice what the model looks at, so that what it sees stays the same. */
const shortSide = 512;
const quality = 0.92;

/**
 * A small JPEG of an image, upright.
 * @param {Blob} file
 * @returns {Promise<Blob>} the file itself where it is small already, or where the browser cannot make it smaller
 */
export async function shrink(file) {
  try {
    return (await smaller(file)) ?? file;
  } catch {
    // It cannot read the format, or has no memory for so many pixels: the server may do better.
    return file;
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<Blob | null>}
 */
async function smaller(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, shortSide / Math.min(bitmap.width, bitmap.height));
  if (scale === 1 && file.type === "image/jpeg") return null;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  if (!context) return null;
  // Where an image is transparent, JPEG has nothing: white, not black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}
