/** Frame headers that promise what the file does not hold. */
import { between, type Choices, pick } from "../choices.ts";
import type { Mutation } from "../mutation.ts";
import { frameMarkers, inserted, piecesWith } from "../segments.ts";

/** Applies `edit` to one of the frame headers; `at` is its body: precision, height, width, count, components. */
function editFrame(
  name: string,
  edit: (frame: { out: Uint8Array; at: number; count: number; marker: number }, choices: Choices) => void,
): Mutation {
  return {
    name,
    apply(bytes, choices) {
      const frames = piecesWith(bytes, ...frameMarkers);
      if (frames.length === 0) return bytes;
      const { start, body } = pick(choices, frames);
      const out = bytes.slice();
      edit({ out, at: body, count: bytes[body + 5] ?? 0, marker: start + 1 }, choices);
      return out;
    },
  };
}

function writeUint16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}

const sides = [0, 1, 7, 8, 255, 256, 4096, 7071, 32_768, 65_535] as const;
const factors = [0x00, 0x01, 0x10, 0x11, 0x12, 0x21, 0x22, 0x14, 0x41, 0x44, 0x31, 0x23, 0xff, 0x5f] as const;

export const frames: readonly Mutation[] = [
  editFrame("huge or empty sides", ({ out, at }, choices) => {
    writeUint16(out, at + 1, pick(choices, sides));
    writeUint16(out, at + 3, pick(choices, sides));
  }),
  editFrame("other sides", ({ out, at }, choices) => {
    writeUint16(out, at + 1 + 2 * choices.below(2), choices.below(3000));
  }),
  editFrame("other sampling factors", ({ out, at, count }, choices) => {
    for (let i = 0; i < count; i++) out[at + 7 + 3 * i] = pick(choices, factors);
  }),
  editFrame("component ids repeated or swapped", ({ out, at, count }, choices) => {
    for (let i = 0; i < count; i++) out[at + 6 + 3 * i] = pick(choices, [0, 1, 2, 3, 4, 82, 71, 66, 255]);
  }),
  editFrame("other quantisation tables", ({ out, at, count }, choices) => {
    for (let i = 0; i < count; i++) out[at + 8 + 3 * i] = choices.below(6);
  }),
  editFrame("other number of components", ({ out, at }, choices) => {
    out[at + 5] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  editFrame("other precision", ({ out, at }, choices) => {
    out[at] = pick(choices, [0, 1, 2, 9, 12, 16, 255]);
  }),
  editFrame("other process", ({ out, marker }, choices) => {
    out[marker] = pick(choices, frameMarkers);
  }),
  {
    name: "another frame header",
    apply(bytes, choices) {
      const places = piecesWith(bytes, 0xc0, 0xc2, 0xc4, 0xda, 0xd9);
      if (places.length === 0) return bytes;
      const side = () => [between(choices, 0, 255), between(choices, 0, 255)];
      const frame = [0xff, pick(choices, [0xc0, 0xc1, 0xc2]), 0, 11, 8, ...side(), ...side(), 1, 1, 0x11, 0];
      return inserted(bytes, pick(choices, places).start, frame);
    },
  },
];
