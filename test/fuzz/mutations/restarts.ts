/** Restart intervals and markers that do not match. */

import { segment } from "../../../bench/pictures/jpeg-writer.ts";
import { type Choices, pick } from "../choices.ts";
import { inserted, piecesWith, repeated, replaced } from "../segments.ts";
import { isScan, type Mutation, onPiece } from "./mutation.ts";

/** Offsets of the RSTn markers in the file's scans. */
function restartMarkers(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (const { dataStart, end } of piecesWith(bytes, 0xda)) {
    for (let at = bytes.indexOf(0xff, dataStart); at >= 0 && at < end; at = bytes.indexOf(0xff, at + 1)) {
      const next = bytes[at + 1] ?? 0;
      if (next >= 0xd0 && next <= 0xd7) found.push(at);
    }
  }
  return found;
}

/** Chooses a restart marker and changes the file there. */
const onRestartMarker = (
  name: string,
  change: (bytes: Uint8Array, at: number, choices: Choices) => Uint8Array,
): Mutation => ({
  name,
  apply(bytes, choices) {
    const markers = restartMarkers(bytes);
    return markers.length === 0 ? bytes : change(bytes, pick(choices, markers), choices);
  },
});

/** Mutations of restarts. */
export const restarts: readonly Mutation[] = [
  {
    name: "other restart interval",
    apply(bytes, choices) {
      const places = piecesWith(bytes, 0xda, 0xc0, 0xc2);
      if (places.length === 0) return bytes;
      const interval = pick(choices, [0, 1, 2, 3, 255, 65_535]);
      return inserted(bytes, pick(choices, places).start, segment(0xdd, [interval >> 8, interval & 255]));
    },
  },
  {
    name: "restart interval of a wrong length",
    apply(bytes, choices) {
      const [scan] = piecesWith(bytes, 0xda);
      const body = new Array<number>(choices.below(5)).fill(1);
      return scan ? inserted(bytes, scan.start, segment(0xdd, body)) : bytes;
    },
  },
  onRestartMarker("wrong restart number", (bytes, at, choices) =>
    replaced(bytes, at + 1, at + 2, [0xd0 + choices.below(8)]),
  ),
  onRestartMarker("restart marker removed", (bytes, at) => replaced(bytes, at, at + 2, [])),
  onPiece("restart markers in image data", isScan, (bytes, { dataStart, end }, choices) => {
    const marker = [0xff, 0xd0 + choices.below(8)];
    const times = pick(choices, [1, 2, 8, 1000, 100_000]);
    return inserted(bytes, dataStart + choices.below(end - dataStart + 1), repeated(marker, times));
  }),
];
