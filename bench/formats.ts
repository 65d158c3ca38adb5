/** `npm run bench -- --formats`: PNG and WebP, from the file to the model's input, against other decoders. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { packsFolder, readLocalPack } from "../cli/store/local-pack.ts";
import type { Progress } from "../cli/terminal/progress.ts";
import { defaultModelName } from "../src/default-model.ts";
import { MiB, type Table, table } from "./common/report.ts";
import { runPeer } from "./measure/peers.ts";
import { type FormatDecoder, formatDecoders } from "./peers/formats.ts";
import { formatFile, formatKinds } from "./pictures/format-files.ts";
import { median } from "./results.ts";

/** Megapixels of the files. */
export const formatSizes = [0.2, 4, 12, 50] as const;

/** Decodes in each process. */
const times = 3;
/** Processes of each decoder, in turns. Above 12 megapixels, where a decode takes seconds, there is one. */
const roundsAt = (megapixels: number) => (megapixels > 12 ? 1 : 3);

/**
 * Measures each decoder in processes of its own, in turns, and compares medians.
 * @param sizes megapixels of the files
 */
export async function formatTable(sizes: readonly number[], progress: Progress): Promise<Table> {
  const { manifest } = await readLocalPack(path.join(packsFolder, defaultModelName));
  const { preprocessing } = manifest;
  const processes = sizes.reduce((sum, size) => sum + roundsAt(size) * formatDecoders.length, 0);
  const total = formatKinds.length * processes;
  const rows: (string | number)[][] = [];
  let done = 0;
  for (const kind of formatKinds) {
    for (const size of sizes) {
      progress.update(`${kind}, ${size} MP`, done, total);
      const { file, format } = await formatFile(kind, size);
      const measured = new Map<FormatDecoder, { ms: number[]; grownBytes: number[] }>();
      for (let round = 0; round < roundsAt(size); round++) {
        for (const decoder of formatDecoders) {
          const answer = await runPeer("decodeFormat", { decoder, format, file, preprocessing, times });
          const all = measured.get(decoder) ?? { ms: [], grownBytes: [] };
          measured.set(decoder, all);
          all.ms.push(...answer.ms);
          all.grownBytes.push(answer.grownBytes);
          progress.update(`${kind}, ${size} MP`, ++done, total);
        }
      }
      const of = (decoder: FormatDecoder) => measured.get(decoder)!;
      const [ours, jsquash, native] = [of("ours"), of("jsquash"), of("sharp")];
      const { size: bytes } = await stat(file);
      rows.push([
        `${kind}, ${size} MP, ${(bytes / MiB).toFixed(1)} MiB`,
        ...[ours, jsquash, native].map(({ ms }) => median(ms)),
        median(ours.ms) / median(jsquash.ms),
        ...[ours, jsquash, native].map(({ grownBytes }) => median(grownBytes) / MiB),
        median(ours.grownBytes) / median(jsquash.grownBytes),
      ]);
    }
  }
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
