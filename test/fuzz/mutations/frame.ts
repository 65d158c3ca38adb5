/** Frame headers that do not match the file. */
import { type Choices, pick } from "../choices.ts";
import { frameMarkers, inserted, type Piece, piecesWith } from "../segments.ts";
import { editPiece, has, type Mutation } from "./mutation.ts";

const isFrame = has(...frameMarkers);

/** A frame header's body is: precision, height (2 bytes), width (2 bytes), component count, components (3 bytes each). */
const edit = (name: string, change: (out: Uint8Array, body: number, choices: Choices) => void) =>
  editPiece(name, isFrame, (out, { body }, choices) => change(out, body, choices));

/** Replaces one byte of every component: its id (0), sampling factors (1) or quantisation table (2). */
const editComponents = (name: string, byte: number, value: (choices: Choices) => number) =>
  edit(name, (out, body, choices) => {
    const count = out[body + 5] ?? 0;
    for (let i = 0; i < count; i++) out[body + 6 + byte + 3 * i] = value(choices);
  });

function writeUint16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}

const sides = [0, 1, 7, 8, 255, 256, 4096, 7071, 32_768, 65_535] as const;
const factors = [0x00, 0x01, 0x10, 0x11, 0x12, 0x21, 0x22, 0x14, 0x41, 0x44, 0x31, 0x23, 0xff, 0x5f] as const;

/** Mutations of frame headers. */
export const frames: readonly Mutation[] = [
  edit("huge or empty sides", (out, body, choices) => {
    writeUint16(out, body + 1, pick(choices, sides));
    writeUint16(out, body + 3, pick(choices, sides));
  }),
  edit("other sides", (out, body, choices) => {
    writeUint16(out, body + 1 + 2 * choices.below(2), choices.below(3000));
  }),
  editComponents("other sampling factors", 1, (choices) => pick(choices, factors)),
  editComponents("component ids repeated or swapped", 0, (choices) =>
    pick(choices, [0, 1, 2, 3, 4, 82, 71, 66, 255]),
  ),
  editComponents("other quantisation tables", 2, (choices) => choices.below(6)),
  edit("other number of components", (out, body, choices) => {
    out[body + 5] = pick(choices, [0, 1, 2, 3, 4, 5, 255]);
  }),
  edit("other precision", (out, body, choices) => {
    out[body] = pick(choices, [0, 1, 2, 9, 12, 16, 255]);
  }),
  editPiece("other process", isFrame, (out, { start }: Piece, choices) => {
    out[start + 1] = pick(choices, frameMarkers);
  }),
  {
    name: "another frame header",
    apply(bytes, choices) {
      const places = piecesWith(bytes, 0xc0, 0xc2, 0xc4, 0xda, 0xd9);
      if (places.length === 0) return bytes;
      const marker = pick(choices, [0xc0, 0xc1, 0xc2]);
      const side = () => [choices.below(256), choices.below(256)];
      const frame = [0xff, marker, 0, 11, 8, ...side(), ...side(), 1, 1, 0x11, 0];
      return inserted(bytes, pick(choices, places).start, frame);
    },
  },
];
