/** Wrong scan headers, and bombs of scans. */

import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick } from "../choices.ts";
import { frameMarkers, inserted, piecesWith, repeated } from "../segments.ts";
import { editPiece, isScan, type Mutation } from "./mutation.ts";

/** A scan header's body is: component count, components (id, tables), spectral selection (2 bytes), approximation. */
const edit = (
  name: string,
  change: (out: Uint8Array, body: number, count: number, choices: Choices) => void,
) =>
  editPiece(name, isScan, (out, { body }, choices) =>
    change(out, body, Math.min(4, out[body] ?? 0), choices),
  );

/** Ids of the components of the file's first frame. */
function componentIds(bytes: Uint8Array): number[] {
  const [frame] = piecesWith(bytes, ...frameMarkers);
  if (!frame) return [1];
  const count = Math.min(4, bytes[frame.body + 5] ?? 1);
  return Array.from({ length: count }, (_, i) => bytes[frame.body + 6 + 3 * i] ?? i);
}

/** Adds scans of one component each that take almost no bytes, before the last end of the file. */
const bomb = (name: string, ...selection: readonly [start: number, end: number, approximation: number]) => ({
  name,
  apply(bytes: Uint8Array, choices: Choices) {
    const end = piecesWith(bytes, 0xd9).at(-1)?.start ?? bytes.length;
    const id = pick(choices, componentIds(bytes));
    const data = pick(choices, [[0], [0, 0, 0, 0], [0x7f], []]);
    const scan = [...segment(0xda, [1, id, 0, ...selection]), ...data];
    return inserted(bytes, end, repeated(scan, pick(choices, [1, 8, 31, 64, 300, 2000, 5000, 20_000])));
  },
});

const spectra = [0, 1, 2, 5, 63, 64, 255] as const;

/** Mutations of scans. */
export const scans: readonly Mutation[] = [
  edit("other spectral selection", (out, body, count, choices) => {
    out[body + 1 + 2 * count] = pick(choices, spectra);
    out[body + 2 + 2 * count] = pick(choices, spectra);
  }),
  edit("other successive approximation", (out, body, count, choices) => {
    out[body + 3 + 2 * count] = choices.below(256);
  }),
  edit("other table selectors", (out, body, count, choices) => {
    const tables = [0x00, 0x11, 0x10, 0x01, 0x22, 0x33, 0xff];
    for (let i = 0; i < count; i++) out[body + 2 + 2 * i] = pick(choices, tables);
  }),
  edit("other components in a scan", (out, body, count, choices) => {
    for (let i = 0; i < count; i++) out[body + 1 + 2 * i] = choices.below(5);
  }),
  edit("other number of components in a scan", (out, body, _, choices) => {
    out[body] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  bomb("bomb of AC refinements", 1, 63, 0x10),
  bomb("bomb of AC scans", 1, 63, 0x00),
  bomb("bomb of DC refinements", 0, 0, 0x10),
  bomb("bomb of DC scans", 0, 0, 0x00),
  bomb("bomb of sequential scans", 0, 63, 0),
];
