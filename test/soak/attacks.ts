/** Hostile clients, one kind of attack at a time, and small requests that the Worker must still answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { salted } from "../../bench/pictures/photos.ts";
import { defaultMaxImageBytes } from "../../src/limits.ts";
import { type Outgoing, type Report, sendRequest } from "./client.ts";
import { classify, classifyJson, formOf, type KindName, type Materials } from "./kinds.ts";
import { type AttackPictures, padded } from "./pictures.ts";

/** Where an attack takes place. */
export interface AttackScene {
  readonly origin: string;
  readonly materials: Materials;
  readonly pictures: AttackPictures;
  readonly report: Report;
  /** Returns a number that was not used before. */
  readonly salts: () => number;
  /** Ends the attack: slow clients disconnect, the others wait for their answer. */
  readonly signal: AbortSignal;
}

interface Attack {
  readonly what: string;
  /** Whether every small request must be answered 200, because the attack leaves room for them. */
  readonly leavesRoom: boolean;
  /** How many clients send which kind of request. */
  readonly clients: (scene: AttackScene) => readonly Clients[];
}

type Clients = readonly [count: number, kind: KindName, request: (salt: number) => Outgoing];

const slowSenders = 50;
const slowReaders = 12;
const formClients = 70;
const imagesPerForm = 5;
/** Bytes of the small image whose time is measured. */
const smallBytes = 86_000;

/** The attacks, in the order in which they run. */
export const attacks = {
  "slow clients": {
    what: `${slowSenders} clients that announce 2 MB and send 3 KB a second, and one upload of 16 MiB at 200 KiB a second`,
    leavesRoom: true,
    clients: ({ materials }) => {
      const jpeg = materials.pictures.small[0]!;
      const upload = { ...classify(padded(jpeg, defaultMaxImageBytes)), bytesPerSecond: 200 * 1024 };
      const slow = { ...classify(jpeg), announcedBytes: 2_000_000, bytesPerSecond: 3000 };
      return [
        [1, "slow-upload", () => upload],
        [slowSenders, "slow-sender", () => slow],
      ];
    },
  },
  "slow readers": {
    what: `${slowReaders} clients of /cdn/ that request an image of 8 MiB and do not read it`,
    leavesRoom: true,
    clients: () => [
      [slowReaders, "slow-reader", (salt) => ({ method: "GET", path: `/cdn/${salt}.jpg`, neverReads: true })],
    ],
  },
  "JSON bombs": {
    what: "4 clients that post JSON of millions of brackets or hundreds of thousands of keys",
    leavesRoom: false,
    clients: ({ pictures: { json } }) => [[4, "json-bomb", (salt) => classifyJson(pickBy(salt, json))]],
  },
  "decode churn": {
    what: "2 clients that post JPEGs of odd shapes, most of them progressive, and 1 that posts small files claiming large sides",
    leavesRoom: false,
    clients: ({ pictures: { odd, bombs }, materials: { seed } }) => [
      [2, "odd-jpeg", (salt) => classify(salted(pickBy(salt, odd), seed, salt))],
      [1, "decode-bomb", (salt) => classify(salted(pickBy(salt, bombs), seed, salt))],
    ],
  },
  "large forms": {
    what: `${formClients} clients that post forms of ${imagesPerForm} progressive photographs of 24 megapixels`,
    leavesRoom: false,
    clients: ({ pictures: { large } }) => [[formClients, "large-form", (salt) => largeForm(large, salt)]],
  },
} as const satisfies Record<string, Attack>;

/** Name of an attack, as reports have it. */
export type AttackName = keyof typeof attacks;
/** All attacks. */
export const attackNames = Object.keys(attacks) as AttackName[];
/** Returns the attack of that name. */
export const attackOf = (name: AttackName): Attack => attacks[name];

/** Runs the attack, and one client that posts new small JPEGs meanwhile, until the signal ends both. */
export async function runAttack(name: AttackName, scene: AttackScene): Promise<void> {
  const small: Clients = [1, "small", (salt) => classify(smallImage(scene.materials, salt))];
  const clients = [...attackOf(name).clients(scene), small];
  await Promise.all(
    clients.flatMap(([count, kind, request]) =>
      Array.from({ length: count }, () => runClient(scene, kind, request)),
    ),
  );
}

/** Sends again after each answer. */
async function runClient(
  { origin, report, salts, signal }: AttackScene,
  kind: KindName,
  request: (salt: number) => Outgoing,
): Promise<void> {
  while (!signal.aborted) {
    const salt = salts();
    const startedMs = performance.now();
    report.sent(kind);
    const outcome = await sendRequest(origin, request(salt), kind, `soak-attack-${salt}`, signal);
    report.ended(kind, outcome, performance.now() - startedMs);
    // A server that closes at once must not be hammered without a pause.
    if (outcome.end === "lost") await sleep(100);
  }
}

/** Makes a small picture a new file of 86 KB. */
export function smallImage({ seed, pictures }: Materials, salt: number): Uint8Array<ArrayBuffer> {
  const jpeg = pickBy(salt, pictures.small);
  return salted(padded(jpeg, Math.max(jpeg.length, smallBytes - 8)), seed, salt);
}

/** Makes a form of five new images. All forms share the picture's bytes, since 70 copies would take a gigabyte. */
export function largeForm(jpeg: Uint8Array, salt: number): Outgoing {
  const images = Array.from({ length: imagesPerForm }, (_, i) => [jpeg, Buffer.from(`${salt}-${i}`)]);
  return { ...formOf(images), ownConnection: true };
}

function pickBy<T>(salt: number, values: readonly T[]): T {
  return values[salt % values.length]!;
}
