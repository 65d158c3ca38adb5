/** What is sent, how often, and what is to come back. Pure. */

export interface Kind {
  /** Turns of a hundred in which it is drawn. */
  readonly weight: number;
  /** The right status; undefined where the client goes away before there is one. */
  readonly status: number | undefined;
  /** Other right statuses. */
  readonly also?: readonly number[];
  /** `code` of the problem, where a problem is the right answer. */
  readonly code?: string;
  /** Requests of one turn, sent at once. */
  readonly requests: number;
  readonly what: string;
}

export const kinds = {
  hit: { weight: 30, status: 200, requests: 1, what: "a 500x375 JPEG that was sent before" },
  miss: { weight: 28, status: 200, requests: 1, what: "a 500x375 JPEG that nobody has seen" },
  coalesced: { weight: 3, status: 200, requests: 4, what: "four equal new JPEGs at once" },
  large: {
    weight: 4,
    status: 200,
    requests: 1,
    what: "a new photograph of 12 or 24 megapixels, half of them progressive",
  },
  embed: { weight: 6, status: 200, requests: 1, what: "a JPEG to its embedding, every other one new" },
  multipart: { weight: 5, status: 200, requests: 1, what: "a form of three new images, one of them broken" },
  json: { weight: 3, status: 200, requests: 1, what: "a new JPEG as base64 in JSON" },
  model: { weight: 2, status: 200, requests: 1, what: "GET /v1/model" },
  "not-jpeg": { weight: 3, status: 415, code: "unsupported_image", requests: 1, what: "text" },
  broken: { weight: 4, status: 422, code: "image_undecodable", requests: 1, what: "half a JPEG" },
  "too-many-pixels": {
    weight: 2,
    status: 413,
    code: "image_too_large",
    requests: 1,
    what: "a JPEG whose header claims 65,000x65,000",
  },
  "too-many-bytes": {
    weight: 2,
    status: 413,
    code: "image_too_large",
    requests: 1,
    what: "a Content-Length of 64 MiB",
  },
  "bad-parameter": { weight: 2, status: 400, code: "invalid_parameter", requests: 1, what: "top_k=0" },
  "not-found": { weight: 2, status: 404, code: "not_found", requests: 1, what: "an unknown path" },
  "gone-away": {
    weight: 4,
    status: undefined,
    requests: 1,
    what: "a client that disconnects in the middle of its upload",
  },
} as const satisfies Record<string, Kind>;

/** What the attacks send; the mixed traffic draws none of it. */
export const attackKinds = {
  beside: {
    weight: 0,
    status: 200,
    requests: 1,
    what: "a new JPEG of 86 KB, one after the other, beside an attack",
  },
  "slow-sender": {
    weight: 0,
    status: 400,
    code: "body_interrupted",
    requests: 1,
    what: "a client that announces 2 MB and sends 3 KB a second",
  },
  "slow-upload": { weight: 0, status: 200, requests: 1, what: "an image of 16 MiB at 200 KiB a second" },
  "slow-reader": {
    weight: 0,
    status: undefined,
    requests: 1,
    what: "a client of /cdn/ that asks for an image of 8 MiB and does not read the answer",
  },
  "json-bomb": {
    weight: 0,
    status: 400,
    also: [413, 422],
    requests: 1,
    what: "JSON of millions of brackets or hundreds of thousands of keys",
  },
  "odd-jpeg": {
    weight: 0,
    status: 200,
    requests: 1,
    what: "a new JPEG of an odd shape, most of them progressive",
  },
  "decode-bomb": {
    weight: 0,
    status: 422,
    also: [200, 413],
    requests: 1,
    what: "a small progressive JPEG whose header claims up to 48 megapixels",
  },
  "large-form": {
    weight: 0,
    status: 200,
    requests: 1,
    what: "a form of five new progressive photographs of 24 megapixels",
  },
} as const satisfies Record<string, Kind>;

/** A kind of the mixed traffic. */
export type TrafficKindName = keyof typeof kinds;
export type KindName = TrafficKindName | keyof typeof attackKinds;
/** Kinds of the mixed traffic. */
export const trafficKindNames = Object.keys(kinds) as TrafficKindName[];
const allKinds: Readonly<Record<KindName, Kind>> = { ...kinds, ...attackKinds };
export const kindNames = Object.keys(allKinds) as KindName[];
export const kindOf = (name: KindName): Kind => allKinds[name];
