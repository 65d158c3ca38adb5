/** `npm run bench -- --formats`: PNG and WebP, from the file to the model's input, against other decoders. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import { packsFolder, readLocalPack } from "../cli/store/local-pack.ts";
import type { Progress } from "../cli/terminal/progress.ts";
import { defaultModelName } from "../src/default-model.ts";
import { MiB, type Table, table } from "./common/report.ts";
import { withFolder } from "./common/workers.ts";
import { runPeer } from "./measure/peers.ts";
import { type FormatDecoder, formatDecoders } from "./peers/formats.ts";
import { fourToThree, photo } from "./pictures/photos.ts";
import { median } from "./results.ts";

const megapixels = [0.2, 4, 12, 50];
const kinds = {
  PNG: { format: "png", encode: (image: Sharp) => image.png() },
  "WebP, lossy": { format: "webp", encode: (image: Sharp) => image.webp({ quality: 80, effort: 1 }) },
  "WebP, lossless": {
    format: "webp",
    encode: (image: Sharp) => image.webp({ lossless: true, effort: 0 }),
  },
} as const;
/** Processes of each decoder, in turns. */
const rounds = 3;
const times = 3;

/** Measures each decoder in processes of its own, in turns, and compares medians. */
export async function formatTable(progress: Progress): Promise<Table> {
  const { manifest } = await readLocalPack(path.join(packsFolder, defaultModelName));
  const { preprocessing } = manifest;
  const rows: (string | number)[][] = [];
  const total = Object.keys(kinds).length * megapixels.length;
  await withFolder(async (folder) => {
    for (const [kind, { format, encode }] of Object.entries(kinds)) {
      for (const size of megapixels) {
        const source = await photo(`${size}mp`, {
          ...fourToThree(size),
          progressive: false,
          scene: "teapot",
        });
        const file = path.join(folder, `${size}.${format}`);
        const bytes = await encode(sharp(source.file, { limitInputPixels: false })).toBuffer();
        await writeFile(file, bytes);
        const measured = new Map<FormatDecoder, { ms: number[]; grownBytes: number[] }>();
        for (let round = 0; round < rounds; round++) {
          for (const decoder of formatDecoders) {
            const answer = await runPeer("decodeFormat", { decoder, format, file, preprocessing, times });
            const all = measured.get(decoder) ?? { ms: [], grownBytes: [] };
            measured.set(decoder, all);
            all.ms.push(...answer.ms);
            all.grownBytes.push(answer.grownBytes);
          }
        }
        const of = (decoder: FormatDecoder) => measured.get(decoder)!;
        const [ours, jsquash, native] = [of("ours"), of("jsquash"), of("sharp")];
        rows.push([
          `${kind}, ${size} MP, ${(bytes.length / MiB).toFixed(1)} MiB`,
          ...[ours, jsquash, native].map(({ ms }) => median(ms)),
          median(ours.ms) / median(jsquash.ms),
          ...[ours, jsquash, native].map(({ grownBytes }) => median(grownBytes) / MiB),
          median(ours.grownBytes) / median(jsquash.grownBytes),
        ]);
        progress.update("formats", rows.length, total);
      }
    }
  });
  progress.stop();
  return table(
    "From file to tensor",
    [
      "file",
      ...["edge-resnet, ms", "@jsquash, ms", "sharp, ms", "time over @jsquash"],
      ...["edge-resnet, MiB", "@jsquash, MiB", "sharp, MiB", "memory over @jsquash"],
    ],
    rows,
    "Medians. MiB: growth of the process in its first decode, garbage included.",
  );
}
