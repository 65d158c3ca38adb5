/** Clients that mean harm, a kind at a time, beside small requests that must still be answered. */
import { setTimeout as wait } from "node:timers/promises";
import { defaultMaxImageBytes } from "../../../src/limits.ts";
import { padded, smallImage } from "../probes.ts";
import { type Report, sendRequest } from "../traffic/client.ts";
import type { KindName } from "../traffic/kinds.ts";
import { salted } from "../traffic/pictures.ts";
import type { Upload } from "../traffic/raw-client.ts";
import type { Materials, Outgoing } from "../traffic/requests.ts";
import type { AttackPictures } from "./pictures.ts";

/** Where an attack takes place. */
export interface AttackScene {
  readonly origin: string;
  readonly materials: Materials;
  readonly pictures: AttackPictures;
  readonly report: Report;
  /** Gives a number that was not used before. */
  readonly salts: () => number;
  /** Ends the attack: slow clients go away, the others wait for the answer that is due. */
  readonly signal: AbortSignal;
}

interface Attack {
  readonly what: string;
  /** Whether every small request beside it must be answered 200: the attack leaves room for them. */
  readonly leavesRoom: boolean;
  readonly run: (scene: AttackScene) => Promise<unknown>;
}

const slowSenders = 50;
const slowReaders = 12;
const formClients = 70;
const imagesPerForm = 5;
const boundary = "edge-resnet-soak";

export const attacks = {
  "slow clients": {
    what: `${slowSenders} clients that announce 2 MB and send 3 KB a second, and one upload of 16 MiB at 200 KiB a second`,
    leavesRoom: true,
    run: (scene) => {
      const jpeg = scene.materials.pictures.small[0]!;
      const body = padded(jpeg, defaultMaxImageBytes);
      const upload = { way: "trickle", bytes: body.length, body, bytesPerSecond: 200 * 1024 } as const;
      const slow = { way: "trickle", bytes: 2_000_000, body: jpeg, bytesPerSecond: 3000 } as const;
      return Promise.all([
        clients(scene, 1, "slow-upload", () => upload),
        clients(scene, slowSenders, "slow-sender", () => slow),
      ]);
    },
  },
  "slow readers": {
    what: `${slowReaders} clients of /cdn/ that ask for an image of 8 MiB and do not read it`,
    leavesRoom: true,
    run: (scene) =>
      clients(scene, slowReaders, "slow-reader", (salt) => ({
        way: "stop-reading",
        path: `/cdn/${salt}.jpg`,
      })),
  },
  "JSON bombs": {
    what: "4 clients that post JSON of millions of brackets or hundreds of thousands of keys",
    leavesRoom: false,
    run: (scene) => {
      const { json } = scene.pictures;
      const headers = { "Content-Type": "application/json" };
      return clients(scene, 4, "json-bomb", (salt) => {
        const init = { method: "POST", body: json[salt % json.length]!, headers };
        return { way: "fetch", path: "/v1/classify", init };
      });
    },
  },
  "decode churn": {
    what: "2 clients that post JPEGs of odd shapes, most of them progressive, and 1 that posts small files claiming large sides",
    leavesRoom: false,
    run: (scene) => {
      const { odd, bombs } = scene.pictures;
      const post = (jpeg: Uint8Array, salt: number) => image(salted(jpeg, scene.materials.seed, salt));
      return Promise.all([
        clients(scene, 2, "odd-jpeg", (salt) => post(odd[salt % odd.length]!, salt)),
        clients(scene, 1, "decode-bomb", (salt) => post(bombs[salt % bombs.length]!, salt)),
      ]);
    },
  },
  "large forms": {
    what: `${formClients} clients that post forms of ${imagesPerForm} progressive photographs of 24 megapixels`,
    leavesRoom: false,
    run: (scene) =>
      clients(scene, formClients, "large-form", (salt) => ({
        way: "upload",
        ...largeForm(scene.pictures.large, salt),
      })),
  },
} as const satisfies Record<string, Attack>;

/** Name of an attack, as reports have it. */
export type AttackName = keyof typeof attacks;
export const attackNames = Object.keys(attacks) as AttackName[];
export const attackOf = (name: AttackName): Attack => attacks[name];

/** Runs the attack, and one client beside it that posts new JPEGs of 86 KB, until the signal ends both. */
export async function runAttack(name: AttackName, scene: AttackScene): Promise<void> {
  const { seed, pictures } = scene.materials;
  const beside = clients(scene, 1, "beside", (salt) =>
    image(smallImage(pictures.small[salt % pictures.small.length]!, seed, salt)),
  );
  await Promise.all([attackOf(name).run(scene), beside]);
}

/** Each sends again as soon as it has its answer. */
async function clients(
  { origin, report, salts, signal }: AttackScene,
  count: number,
  kind: KindName,
  request: (salt: number) => Outgoing,
): Promise<void> {
  const client = async () => {
    while (!signal.aborted) {
      const salt = salts();
      const startedMs = performance.now();
      report.sent(kind);
      const outcome = await sendRequest(origin, request(salt), kind, `soak-attack-${salt}`, signal);
      report.ended(kind, outcome, performance.now() - startedMs);
      // A server that closes at once must not be hammered in a loop without a pause.
      if (outcome.end === "lost") await wait(100);
    }
  };
  await Promise.all(Array.from({ length: count }, client));
}

/**
 * A form of five new images. All forms share the picture's bytes, since 70 copies would take a gigabyte; only the salt
 * makes each image a new one.
 */
export function largeForm(jpeg: Uint8Array, salt: number): Upload {
  const encoder = new TextEncoder();
  const head = encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`,
  );
  const images = Array.from({ length: imagesPerForm }, (_, i) => [
    head,
    jpeg,
    encoder.encode(`${salt}-${i}\r\n`),
  ]);
  return {
    path: "/v1/classify",
    contentType: `multipart/form-data; boundary=${boundary}`,
    parts: [...images.flat(), encoder.encode(`--${boundary}--\r\n`)],
  };
}

function image(body: Uint8Array): Outgoing {
  return { way: "fetch", path: "/v1/classify", init: { method: "POST", body: body as BodyInit } };
}
