/** The kinds of requests: how often mixed traffic draws them, what they send, and whether an answer is right. */

import { type Answer, post } from "../../bench/common/requests.ts";
import { salted } from "../../bench/pictures/photos.ts";
import { Random } from "../../cli/pack/random.ts";
import type { Outgoing } from "./client.ts";
import { claiming, type Pictures } from "./pictures.ts";

/** A kind of request. */
export type Kind = ReturnType<typeof kind>;

/** What requests are made of. */
export interface Materials {
  readonly seed: number;
  readonly pictures: Pictures;
  /** The answers to each small picture. */
  readonly references: readonly Reference[];
}

/** One turn of a client. */
export interface Turn {
  readonly kind: TrafficKindName;
  /** Chooses among the pictures. */
  readonly choice: number;
  /** Makes a picture a new file. No two turns of a seed have the same. */
  readonly salt: number;
}

/**
 * Describes a kind.
 * @param weight turns of a hundred in which mixed traffic draws it
 * @param statuses the right statuses: none when the client disconnects before there is an answer
 * @param more `code` of the problem, where a problem is the right answer; requests of one turn, sent at once
 */
function kind(
  weight: number,
  statuses: number[],
  what: string,
  more: { readonly code?: string; readonly requests?: number } = {},
) {
  return { weight, statuses, what, requests: 1, ...more };
}

const trafficKinds = {
  hit: kind(30, [200], "a 500x375 JPEG that was sent before"),
  miss: kind(28, [200], "a new 500x375 JPEG"),
  coalesced: kind(3, [200], "four equal new JPEGs at once", { requests: 4 }),
  large: kind(4, [200], "a new photograph of 12 or 24 megapixels, half of them progressive"),
  embed: kind(6, [200], "a JPEG to its embedding, every other one new"),
  multipart: kind(5, [200], "a form of three new images, one of them broken"),
  json: kind(3, [200], "a new JPEG as base64 in JSON"),
  model: kind(2, [200], "GET /v1/model"),
  "not-jpeg": kind(3, [415], "text", { code: "unsupported_image" }),
  broken: kind(4, [422], "half a JPEG", { code: "image_undecodable" }),
  "too-many-pixels": kind(2, [413], "a JPEG whose header claims 65,000x65,000", { code: "image_too_large" }),
  "too-many-bytes": kind(2, [413], "a Content-Length of 64 MiB", { code: "image_too_large" }),
  "bad-parameter": kind(2, [400], "top_k=0", { code: "invalid_parameter" }),
  "not-found": kind(2, [404], "an unknown path", { code: "not_found" }),
  "gone-away": kind(4, [], "a client that disconnects in the middle of its upload"),
};

/** Only attacks send these. */
const attackKinds = {
  small: kind(0, [200], "a new JPEG of 86 KB, one after the other, during an attack"),
  "slow-sender": kind(0, [400], "a client that announces 2 MB and sends 3 KB a second", {
    code: "body_interrupted",
  }),
  "slow-upload": kind(0, [200], "an image of 16 MiB at 200 KiB a second"),
  "slow-reader": kind(
    0,
    [],
    "a client of /cdn/ that requests an image of 8 MiB and does not read the answer",
  ),
  "json-bomb": kind(0, [400, 413, 422], "JSON of millions of brackets or hundreds of thousands of keys"),
  "odd-jpeg": kind(0, [200], "a new JPEG of an odd shape, most of them progressive"),
  "decode-bomb": kind(0, [422, 200, 413], "a small progressive JPEG whose header claims up to 48 megapixels"),
  "large-form": kind(0, [200], "a form of five new progressive photographs of 24 megapixels"),
};

/** Name of a kind of the mixed traffic. */
export type TrafficKindName = keyof typeof trafficKinds;
/** Name of a kind. */
export type KindName = TrafficKindName | keyof typeof attackKinds;

const allKinds: Readonly<Record<KindName, Kind>> = { ...trafficKinds, ...attackKinds };
/** The kinds of the mixed traffic. */
export const trafficKindNames = Object.keys(trafficKinds) as TrafficKindName[];
/** All kinds, in the order of the reports. */
export const kindNames = Object.keys(allKinds) as KindName[];
/** Returns the kind of that name. */
export const kindOf = (name: KindName): Kind => allKinds[name];

const weightSum = trafficKindNames.reduce((sum, name) => sum + kindOf(name).weight, 0);

/** Average number of requests of a turn. */
export const requestsPerTurn =
  trafficKindNames.map(kindOf).reduce((sum, { weight, requests }) => sum + weight * requests, 0) / weightSum;

/** Draws turns without an end. The same seed gives the same turns. */
export function* turns(seed: number): Generator<Turn, never> {
  const random = new Random(seed);
  for (let salt = 0; ; salt++) {
    let left = random.uniform() * weightSum;
    const drawn = trafficKindNames.find((name) => {
      left -= kindOf(name).weight;
      return left < 0;
    });
    yield { kind: drawn ?? "hit", choice: random.below(1 << 16), salt };
  }
}

/** Makes the requests of a turn. */
export function requestsOf({ kind, choice, salt }: Turn, materials: Materials): Outgoing[] {
  const { seed, pictures, references } = materials;
  const index = choice % pictures.small.length;
  const [known, reference] = [pictures.small[index]!, references[index]!];
  const fresh = () => salted(known, seed, salt);
  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1);
  const samePredictions: Check = (body) => reference.predictionsFault(body);
  const make: Record<TrafficKindName, () => Outgoing> = {
    hit: () => classify(known, (body) => reference.bodyFault(body)),
    miss: () => classify(fresh(), samePredictions),
    coalesced: () => classify(fresh(), samePredictions),
    large: () => classify(salted(pictures.large[choice % pictures.large.length]!, seed, salt)),
    embed: () => ({
      path: "/v1/embed",
      parts: [salt % 2 === 0 ? fresh() : known],
      check: (body) => reference.embeddingFault(body),
    }),
    multipart: () => ({
      ...formOf([[fresh()], [half(fresh())], [salted(fresh(), seed, salt)]]),
      check: (body) => reference.formFault(body),
    }),
    json: () => {
      const image = Buffer.from(fresh()).toString("base64");
      return { ...classifyJson(JSON.stringify({ image })), check: samePredictions };
    },
    model: () => ({ method: "GET", path: "/v1/model" }),
    "not-jpeg": () => classify(Buffer.from(`no image, number ${salt}`)),
    broken: () => classify(salted(half(known), seed, salt)),
    "too-many-pixels": () => classify(claiming(fresh(), 65_000, 65_000)),
    "too-many-bytes": () => ({ path: "/v1/classify", announcedBytes: 64 * 2 ** 20 }),
    "bad-parameter": () => ({ path: "/v1/classify?top_k=0", parts: [fresh()] }),
    "not-found": () => ({ method: "GET", path: `/nothing/${salt}` }),
    "gone-away": () => ({ ...classify(half(fresh())), announcedBytes: fresh().length, goesAway: true }),
  };
  return Array.from({ length: kindOf(kind).requests }, make[kind]);
}

/** Posts an image. */
export function classify(image: Uint8Array, check?: Check): Outgoing {
  return { path: "/v1/classify", parts: [image], ...(check ? { check } : {}) };
}

/** Posts a JSON document. */
export function classifyJson(text: string): Outgoing {
  return { ...classify(Buffer.from(text)), headers: { "Content-Type": "application/json" } };
}

/** Posts a form. @param images each in parts, which are not copied */
export function formOf(images: readonly (readonly Uint8Array[])[]): Outgoing {
  const boundary = "edge-resnet-soak";
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`,
  );
  const fields = images.flatMap((image) => [head, ...image, Buffer.from("\r\n")]);
  return {
    path: "/v1/classify",
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
    parts: [...fields, Buffer.from(`--${boundary}--\r\n`)],
  };
}

/** Returns why the body of a 200 is wrong, or undefined. */
export type Check = (body: string) => string | undefined;

/** Returns why the answer is wrong, or undefined. A 503 is right if it says that the Worker is overloaded. */
export function faultOf(answer: Answer, kind: Kind, check?: Check): string | undefined {
  const { status, headers, text } = answer;
  const code = member(text, "code");
  if (status === 503) {
    if (code !== "overloaded") return `a 503 with the code ${JSON.stringify(code)}, expected "overloaded"`;
    return /^[1-9]\d*$/.test(headers.get("Retry-After") ?? "") ? undefined : "a 503 without Retry-After";
  }
  if (!kind.statuses.includes(status)) {
    return `answered ${status}, expected ${kind.statuses.join(" or ")}: ${text.slice(0, 200)}`;
  }
  if (status === 200) return check?.(text);
  if (kind.code === undefined || code === kind.code) return undefined;
  return `its code is ${JSON.stringify(code)}, expected "${kind.code}"`;
}

/** Returns a member of a JSON document by its path, or undefined. */
export function member(text: string, ...path: readonly (string | number)[]): unknown {
  const step = (value: unknown, key: string | number) =>
    (value as Record<string | number, unknown> | null | undefined)?.[key];
  try {
    return path.reduce(step, JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

/** Checks later answers to a picture against those that were recorded while nothing else was under way. */
export class Reference {
  readonly #body: string;
  readonly #embedBody: string;

  /** @param body of /v1/classify @param embedBody of /v1/embed */
  constructor(body: string, embedBody: string) {
    this.#body = body;
    this.#embedBody = embedBody;
  }

  /** Asks for the answers. @throws Error when the Worker does not answer 200 */
  static async read(origin: string, jpeg: Uint8Array): Promise<Reference> {
    const { text } = await post(`${origin}/v1/classify`, jpeg);
    return new Reference(text, (await post(`${origin}/v1/embed`, jpeg)).text);
  }

  /** For the same file: the answer is the same, byte for byte. */
  bodyFault(body: string): string | undefined {
    return body === this.#body ? undefined : `another answer than before: ${body.slice(0, 200)}`;
  }

  /** For the same picture in another file: all scores are the same. @param path of the answer in the body */
  predictionsFault(body: string, ...path: (string | number)[]): string | undefined {
    const isSame = equal(member(body, ...path, "predictions"), member(this.#body, "predictions"));
    return isSame ? undefined : `other predictions than before: ${body.slice(0, 200)}`;
  }

  /** For the same picture in another file. */
  embeddingFault(body: string): string | undefined {
    const isSame = equal(member(body, "embedding"), member(this.#embedBody, "embedding"));
    return isSame ? undefined : `another embedding than before: ${body.slice(0, 200)}`;
  }

  /** For a form of the picture, half of it, and the picture. */
  formFault(body: string): string | undefined {
    const status = member(body, "results", 1, "status");
    if (status !== 422) return `the broken image of a form got ${status}, expected 422`;
    return this.predictionsFault(body, "results", 0) ?? this.predictionsFault(body, "results", 2);
  }
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
