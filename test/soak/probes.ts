/** Single requests beside the traffic: how the Worker does when it is left alone. */
import { setTimeout as wait } from "node:timers/promises";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { probeId } from "./measure/worker-log.ts";
import { salted } from "./traffic/pictures.ts";
import type { Materials } from "./traffic/requests.ts";

/** The answer to one request. */
export interface Probe {
  readonly status: number;
  readonly ms: number;
}

/** What the requests of the isolate hold, as /readyz tells it. */
export interface InFlight {
  readonly permits: number;
  readonly permit_bytes: number;
  readonly waiting: number;
}

/** How the Worker does when all clients have gone. */
export interface Silence {
  /** The first request, a small JPEG. */
  readonly next: Probe;
  /** An image as large as allowed: it needs all room but the reserve, so it is refused if any room was not given back. */
  readonly fullSize: Probe;
  readonly inFlight: InFlight;
  /** Seconds until the isolate held nothing. */
  readonly settledSeconds: number;
}

const probes = 20;
/** Longer than a broken connection takes to be noticed. */
const settleMs = 20_000;
/** Bytes of the small image whose time is measured. */
const smallBytes = 86_000;

/** Sends two requests, and then waits until the isolate holds nothing, or for 20 s. */
export async function measureSilence(origin: string, materials: Materials, salt: number): Promise<Silence> {
  const jpeg = materials.pictures.small[0]!;
  const startedMs = performance.now();
  const next = await post(origin, salted(jpeg, materials.seed, salt));
  const fullSize = await post(origin, padded(jpeg, defaultMaxImageBytes));
  for (;;) {
    const inFlight = await readInFlight(origin);
    const settledSeconds = (performance.now() - startedMs) / 1000;
    const isIdle = inFlight.permits + inFlight.permit_bytes + inFlight.waiting === 0;
    if (isIdle || settledSeconds * 1000 > settleMs) return { next, fullSize, inFlight, settledSeconds };
    await wait(100);
  }
}

/** New small JPEGs, one after the other. @param salts gives a number that was not used before */
export async function postNew(
  origin: string,
  { seed, pictures }: Materials,
  salts: () => number,
): Promise<Probe[]> {
  const found: Probe[] = [];
  for (let i = 0; i < probes; i++) {
    found.push(await post(origin, smallImage(pictures.small[i % pictures.small.length]!, seed, salts())));
  }
  return found;
}

/** The picture as a new file of 86 KB. */
export function smallImage(jpeg: Uint8Array, seed: number, salt: number): Uint8Array<ArrayBuffer> {
  return salted(padded(jpeg, Math.max(jpeg.length, smallBytes - 8)), seed, salt);
}

/** The same picture in a file of `bytes`: what follows the end of the image is ignored. */
export function padded(jpeg: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(bytes);
  body.set(jpeg);
  return body;
}

/** What /readyz says that the requests of the isolate hold. */
export async function readInFlight(origin: string): Promise<InFlight> {
  const response = await fetch(`${origin}/readyz`);
  const { permits, permit_bytes, waiting } = ((await response.json()) as { in_flight: InFlight }).in_flight;
  return { permits, permit_bytes, waiting };
}

async function post(origin: string, body: Uint8Array): Promise<Probe> {
  const startedMs = performance.now();
  const init = { method: "POST", body: body as BodyInit, headers: { "X-Request-Id": probeId } };
  const response = await fetch(`${origin}/v1/classify`, init);
  await response.arrayBuffer();
  return { status: response.status, ms: performance.now() - startedMs };
}
