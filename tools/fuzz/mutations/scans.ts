/** Scan headers out of order, and bombs of scans. */
import { type Choices, pick } from "../choices.ts";
import { segment } from "../jpeg-writer.ts";
import type { Mutation } from "../mutation.ts";
import { frameMarkers, inserted, piecesWith, repeated } from "../segments.ts";

function editScan(
  name: string,
  edit: (scan: { out: Uint8Array; at: number; count: number }, choices: Choices) => void,
): Mutation {
  return {
    name,
    apply(bytes, choices) {
      const scans = piecesWith(bytes, 0xda);
      if (scans.length === 0) return bytes;
      const { body } = pick(choices, scans);
      const out = bytes.slice();
      edit({ out, at: body, count: Math.min(4, bytes[body] ?? 0) }, choices);
      return out;
    },
  };
}

/** Ids of the components of the file's first frame. */
function componentIds(bytes: Uint8Array): number[] {
  const [frame] = piecesWith(bytes, ...frameMarkers);
  if (!frame) return [1];
  const count = Math.min(4, bytes[frame.body + 5] ?? 1);
  return Array.from({ length: count }, (_, i) => bytes[frame.body + 6 + 3 * i] ?? i);
}

/** Scans of one component each that cost next to no bytes, before the last end of the file. */
function bomb(name: string, header: (choices: Choices, id: number) => number[]): Mutation {
  return {
    name,
    apply(bytes, choices) {
      const end = piecesWith(bytes, 0xd9).at(-1)?.start ?? bytes.length;
      const id = pick(choices, componentIds(bytes));
      const data = pick(choices, [[0], [0, 0, 0, 0], [0x7f], []]);
      const scan = [...segment(0xda, header(choices, id)), ...data];
      return inserted(bytes, end, repeated(scan, pick(choices, [1, 8, 31, 64, 300, 2000, 5000, 20_000])));
    },
  };
}

const spectra = [0, 1, 2, 5, 63, 64, 255] as const;

export const scans: readonly Mutation[] = [
  editScan("other spectral selection", ({ out, at, count }, choices) => {
    out[at + 1 + 2 * count] = pick(choices, spectra);
    out[at + 2 + 2 * count] = pick(choices, spectra);
  }),
  editScan("other successive approximation", ({ out, at, count }, choices) => {
    out[at + 3 + 2 * count] = choices.below(256);
  }),
  editScan("other table selectors", ({ out, at, count }, choices) => {
    for (let i = 0; i < count; i++)
      out[at + 2 + 2 * i] = pick(choices, [0x00, 0x11, 0x10, 0x01, 0x22, 0x33, 0xff]);
  }),
  editScan("other components in a scan", ({ out, at, count }, choices) => {
    for (let i = 0; i < count; i++) out[at + 1 + 2 * i] = choices.below(5);
  }),
  editScan("other number of components in a scan", ({ out, at }, choices) => {
    out[at] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  bomb("bomb of AC refinements", (_, id) => [1, id, 0, 1, 63, 0x10]),
  bomb("bomb of AC scans", (_, id) => [1, id, 0, 1, 63, 0x00]),
  bomb("bomb of DC refinements", (_, id) => [1, id, 0, 0, 0, 0x10]),
  bomb("bomb of DC scans", (_, id) => [1, id, 0, 0, 0, 0x00]),
  bomb("bomb of sequential scans", (_, id) => [1, id, 0, 0, 63, 0]),
];
