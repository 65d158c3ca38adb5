/** Writes the samples of the page at /, small copies of pictures of this folder: node examples/images/samples.ts */
import path from "node:path";
import sharp from "sharp";

const folder = path.join(import.meta.dirname, "..", "..", "public", "samples");

for (const name of ["jellyfish", "teapot", "ladybug"]) {
  const picture = sharp(path.join(import.meta.dirname, `${name}.jpg`)).resize({ width: 640 });
  const { size } = await picture
    .jpeg({ quality: 85, mozjpeg: true })
    .toFile(path.join(folder, `${name}.jpg`));
  console.log(`public/samples/${name}.jpg: ${Math.round(size / 1000)} kB`);
}
