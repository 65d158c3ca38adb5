// Renders the SVG files of this folder to JPEG: node examples/images/render.ts [name ...]
import { readdir, readFile, writeFile } from "node:fs/promises";
import sharp from "sharp";

const FOLDER = new URL("./", import.meta.url);
const QUALITY = 85;
const MAX_BYTES = 200_000;
/** Drawings that are stored as progressive JPEG, so that the examples cover both kinds. */
const PROGRESSIVE: ReadonlySet<string> = new Set(["frog"]);

async function render(name: string): Promise<string> {
  const svg = await readFile(new URL(`${name}.svg`, FOLDER));
  const progressive = PROGRESSIVE.has(name);
  const { data, info } = await sharp(svg)
    .flatten({ background: "#ffffff" })
    .jpeg({ quality: QUALITY, progressive, mozjpeg: false, chromaSubsampling: "4:2:0" })
    .toBuffer({ resolveWithObject: true });
  if (data.length > MAX_BYTES) {
    throw new Error(`${name}.jpg would be ${data.length} bytes; an example has at most ${MAX_BYTES}`);
  }
  await writeFile(new URL(`${name}.jpg`, FOLDER), data);
  const kind = progressive ? "progressive" : "baseline";
  return `${name}.svg -> ${name}.jpg  ${info.width}x${info.height}, ${kind}, ${(data.length / 1000).toFixed(1)} kB`;
}

const drawings = (await readdir(FOLDER))
  .filter((file) => file.endsWith(".svg"))
  .map((file) => file.slice(0, -".svg".length))
  .sort();
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!drawings.includes(name)) {
    throw new Error(`no drawing ${name}.svg here; there are: ${drawings.join(", ")}`);
  }
}
for (const name of wanted.length > 0 ? wanted : drawings) console.log(await render(name));
