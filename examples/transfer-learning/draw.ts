/**
 * Draws a small set of images to train a head on: three kinds of sign, twelve each, with random colours, places and sizes.
 *   npx node examples/transfer-learning/draw.ts FOLDER
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { Random } from "../../cli/pack/random.ts";

const shapes: Record<string, string> = {
  disc: '<circle cx="50" cy="50" r="42"/>',
  cross: '<path d="M38 6H62V38H94V62H62V94H38V62H6V38H38Z"/>',
  stripes: '<path d="M6 10H94V26H6ZM6 42H94V58H6ZM6 74H94V90H6Z"/>',
};
const sideOfImage = 160;

/** Returns one sign on a background with a few blots, as SVG. */
function sign(shape: string, random: Random): string {
  const hue = () => random.below(360);
  const size = random.between(0.55, 0.9) * sideOfImage;
  const left = random.between(0, sideOfImage - size);
  const top = random.between(0, sideOfImage - size);
  const blots = Array.from(
    { length: 4 },
    () =>
      `<ellipse cx="${random.below(sideOfImage)}" cy="${random.below(sideOfImage)}" rx="${random.between(6, 30)}" ry="${random.between(6, 30)}" fill="hsl(${hue()} 30% 60%)"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${sideOfImage}" height="${sideOfImage}">
<rect width="100%" height="100%" fill="hsl(${hue()} 25% 75%)"/>${blots.join("")}
<g transform="translate(${left} ${top}) scale(${size / 100}) rotate(${random.between(-12, 12)} 50 50)" fill="hsl(${hue()} 80% 30%)">${shape}</g></svg>`;
}

/** Writes `count` JPEG files per class to `folder`. The same seed gives the same files. */
export async function drawSigns(folder: string, count = 12, seed = 1): Promise<void> {
  const random = new Random(seed);
  for (const [name, shape] of Object.entries(shapes)) {
    await mkdir(path.join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++) {
      const jpeg = await sharp(Buffer.from(sign(shape, random)))
        .jpeg({ quality: 85 })
        .toBuffer();
      await writeFile(path.join(folder, name, `${name}-${String(i).padStart(2, "0")}.jpg`), jpeg);
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , folder] = process.argv;
  if (!folder) {
    console.error("expected a folder to draw into: npx node examples/transfer-learning/draw.ts signs");
    process.exitCode = 1;
  } else {
    await drawSigns(folder);
    console.log(`${Object.keys(shapes).join(", ")}: 12 images each in ${folder}`);
  }
}
