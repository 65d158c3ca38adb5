/** Makes photos smaller and converts other formats to JPEG, in the browser. */

/** Pixels of the shorter side: twice what a 224-pixel model resizes to, so that its input hardly changes. */
const shortSide = 512;
const quality = 0.92;

/**
 * Returns an image as a small, upright JPEG.
 * @param {Blob} file
 * @returns {Promise<Blob>} the file itself if it is small already, or if the browser cannot shrink it
 */
export async function shrink(file) {
  try {
    return (await smaller(file)) ?? file;
  } catch {
    // The browser cannot read the format or has too little memory. The server may still read the file.
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
  // JPEG has no transparency: draw transparent pixels on white instead of black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}
