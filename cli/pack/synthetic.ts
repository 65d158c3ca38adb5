/**
 * Makes pictures from a seed, to find activation ranges without photographs: dead leaves filled with gradients and
 * textured noise. Lee, Mumford and Huang (2001) show that overlapping shapes with power-law sizes have the edge
 * statistics of natural images; Baradad et al. (2021, arXiv 2106.05963) that networks respond to such pictures much as
 * to photographs.
 */
import { Random } from "./random.ts";

/** One picture in this many is a board of bulbs. More of them cost typical photographs more than extreme ones gain. */
const boardEvery = 64;

/** Interleaved RGB pixels, 0..255, of a square picture. Equal arguments give equal pixels. */
export function syntheticPixels(size: number, seed: number): Uint8Array {
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1));
  if (seed % boardEvery === boardEvery - 1) return board(size, random);
  const canvas = new Float32Array(size * size * 3);
  const palette = Array.from({ length: 2 + random.below(6) }, () => randomColour(random));
  const pick = () => jitter(palette[random.below(palette.length)]!, random);
  fill(canvas, size, () => true, randomPaint(random, size, pick(), pick()));
  const leaves = random.below(3) === 0 ? random.below(8) : 10 + random.below(150);
  for (let leaf = 0; leaf < leaves; leaf++) {
    fill(canvas, size, randomShape(random, size), randomPaint(random, size, pick(), pick()));
  }
  if (random.uniform() < 0.5) blur(canvas, size, 1 + random.below(2));
  const noise = random.uniform() < 0.5 ? random.between(0, 12) : 0;
  return Uint8Array.from(canvas, (value) =>
    Math.max(0, Math.min(255, Math.round(value + noise * random.normal()))),
  );
}

/**
 * A grid of bright bulbs on a dark ground, of which some are off, like a scoreboard. Such strong repeated detail can excite
 * the later stages of a network a hundred times as much as leaves do.
 */
function board(size: number, random: Random): Uint8Array {
  const period = size * random.between(0.03, 0.08);
  const radius = period * random.between(0.3, 0.45);
  const colour = (darkest: number, brightest: number) =>
    [0, 1, 2].map(() => random.between(darkest, brightest)) as unknown as Colour;
  const [on, off] = [colour(110, 190), colour(30, 90)];
  const share = random.between(0.3, 0.9);
  const bulbs = Math.ceil(size / period);
  const isOn = Array.from({ length: bulbs * bulbs }, () => random.uniform() < share);
  const centreOf = (at: number) => (Math.floor(at / period) + 0.5) * period;
  const pixels = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const bulb = Math.floor(y / period) * bulbs + Math.floor(x / period);
      const distance = Math.hypot(x - centreOf(x), y - centreOf(y));
      const light = isOn[bulb] ? Math.max(0, Math.min(1, radius - distance + 0.5)) : 0;
      for (let c = 0; c < 3; c++) pixels[(y * size + x) * 3 + c] = off[c]! + light * (on[c]! - off[c]!);
    }
  }
  return pixels;
}

type Colour = readonly [number, number, number];

/** Mostly greyish, sometimes saturated: in photographs, channels are correlated. */
function randomColour(random: Random): Colour {
  const brightness = random.between(0, 255);
  const spread = random.uniform() < 0.3 ? 90 : 30;
  return [0, 1, 2].map(() => brightness + spread * random.normal()) as unknown as Colour;
}

function jitter(colour: Colour, random: Random): Colour {
  const shift = 20 * random.normal();
  return colour.map((value) => value + shift + 8 * random.normal()) as unknown as Colour;
}

/** Whether a pixel is inside. */
type Shape = (x: number, y: number) => boolean;

/** Value of one channel at a pixel. */
type Paint = (x: number, y: number, channel: number) => number;

/** A linear gradient between two colours, with waves or grain on it. */
function randomPaint(random: Random, size: number, from: Colour, to: Colour): Paint {
  const angle = random.between(0, 2 * Math.PI);
  const span = size * random.between(0.3, 2);
  const [perX, perY] = [Math.cos(angle) / span, Math.sin(angle) / span];
  const offset = random.uniform();
  const texture = randomTexture(random, size);
  return (x, y, channel) => {
    const t = Math.max(0, Math.min(1, offset + x * perX + y * perY));
    return from[channel]! * (1 - t) + to[channel]! * t + texture(x, y);
  };
}

function randomTexture(random: Random, size: number): (x: number, y: number) => number {
  const kind = random.uniform();
  const strength = random.between(5, 50);
  if (kind < 0.5) return () => 0;
  if (kind < 0.75) {
    const angle = random.between(0, 2 * Math.PI);
    const frequency = (2 * Math.PI) / (size * random.between(0.03, 0.3));
    const [fx, fy] = [Math.cos(angle) * frequency, Math.sin(angle) * frequency];
    return (x, y) => strength * Math.sin(x * fx + y * fy);
  }
  return () => strength * random.between(-1, 1);
}

/** A rotated ellipse or rectangle of power-law size. */
function randomShape(random: Random, size: number): Shape {
  const radius = size * Math.min(0.8, 0.03 / (1 - random.uniform()) ** 0.6);
  const [cx, cy] = [random.between(0, size), random.between(0, size)];
  const angle = random.between(0, Math.PI);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const aspect = random.between(0.3, 1);
  const ellipse = random.uniform() < 0.6;
  return (x, y) => {
    const u = ((x - cx) * cos + (y - cy) * sin) / radius;
    const v = ((y - cy) * cos - (x - cx) * sin) / (radius * aspect);
    return ellipse ? u * u + v * v < 1 : Math.abs(u) < 1 && Math.abs(v) < 1;
  };
}

function fill(canvas: Float32Array, size: number, inside: Shape, paint: Paint): void {
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (!inside(x, y)) continue;
      for (let c = 0; c < 3; c++) canvas[(y * size + x) * 3 + c] = paint(x, y, c);
    }
  }
}

/** Box blur of rows, then of columns. */
function blur(canvas: Float32Array, size: number, radius: number): void {
  for (const [along, across] of [
    [3, size * 3],
    [size * 3, 3],
  ] as const) {
    for (let line = 0; line < size; line++) {
      for (let c = 0; c < 3; c++) {
        const start = line * across + c;
        const row = Float32Array.from({ length: size }, (_, i) => canvas[start + i * along]!);
        for (let i = 0; i < size; i++) {
          let [sum, count] = [0, 0];
          for (let j = Math.max(0, i - radius); j <= Math.min(size - 1, i + radius); j++, count++)
            sum += row[j]!;
          canvas[start + i * along] = sum / count;
        }
      }
    }
  }
}
