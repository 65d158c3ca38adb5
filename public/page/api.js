/** Calls the Worker's API, and builds the equivalent curl command. */

/**
 * What a picture is: a file, or its address for the Worker to fetch.
 * @typedef {{file: File, sample?: string} | {url: string}} Source `sample` is the path of a file of this page
 */

/**
 * Options of a classification.
 * @typedef {object} Options
 * @property {number | undefined} topK number of classes. Undefined: the Worker chooses.
 * @property {string} head name of a head, or "" for the model's own classes
 */

/**
 * The Worker's answer for one picture.
 * @typedef {object} Answer
 * @property {Name} model
 * @property {Name} [head]
 * @property {{sha256: string, width: number, height: number}} image width and height in pixels
 * @property {{label: string, score: number, index: number, id: string}[]} predictions
 * @property {boolean} [confident] whether the highest probability reaches the threshold of the head, or of the model
 */

/** @typedef {{name: string, version: string}} Name name and version of a model or of a head */
/** @typedef {{index: number, id: string, label: string, group?: string}} Class */
/** @typedef {{resize: "shortest-edge" | "stretch", size: number, crop: number}} Preprocessing */

/**
 * The Worker's RFC 9457 problem details.
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} [detail]
 * @property {string} [host]
 * @property {number} [retryAfterSeconds]
 */

/**
 * What came of a request: an answer or a problem.
 * @typedef {object} Outcome
 * @property {number} status HTTP status, or 0 without a response
 * @property {Answer} [answer]
 * @property {Problem} [problem]
 * @property {string} [cache] HIT, MISS or COALESCED
 * @property {string} [serverTiming]
 * @property {number} ms milliseconds from sending to the response, by the browser's clock
 */

/** The API key. It is kept in memory only. */
let key = "";

/**
 * Sets the API key for the next requests.
 * @param {string} newKey
 */
export function useKey(newKey) {
  key = newKey;
}

/**
 * @param {Options} options
 * @param {string} [url] of the picture
 */
function pathOf({ topK, head }, url) {
  const query = new URLSearchParams();
  if (topK !== undefined) query.set("top_k", String(topK));
  if (head !== "") query.set("head", head);
  if (url !== undefined) query.set("url", url);
  return query.size === 0 ? "/v1/classify" : `/v1/classify?${query}`;
}

/**
 * Returns the header that carries the API key, if there is one.
 * @returns {Record<string, string>}
 */
export function authorization() {
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

/**
 * Classifies a picture. Reports failures as a problem and does not throw.
 * @param {Blob | string} image the bytes of a picture, or the URL of a picture
 * @param {Options} options
 * @returns {Promise<Outcome>}
 */
export async function classify(image, options) {
  const startedMs = performance.now();
  try {
    const response = await (typeof image === "string"
      ? fetch(pathOf(options, image), { headers: authorization() })
      : fetch(pathOf(options), {
          method: "POST",
          body: image,
          headers: { ...authorization(), "Content-Type": "application/octet-stream" },
        }));
    // A proxy may answer in HTML. Its status is still useful.
    const body = await response.json().catch(() => ({ code: "no_json", detail: response.statusText }));
    const shared = {
      status: response.status,
      ms: performance.now() - startedMs,
      cache: response.headers.get("X-Cache") ?? "",
      serverTiming: response.headers.get("Server-Timing") ?? "",
    };
    if (response.ok && body.predictions) return { ...shared, answer: body };
    const retryAfterSeconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return { ...shared, problem: { ...body, retryAfterSeconds } };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { status: 0, ms: performance.now() - startedMs, problem: { code: "no_answer", detail } };
  }
}

/**
 * Gets a description. `body` is undefined if the server does not answer with one.
 * @template T
 * @param {string} path
 * @returns {Promise<{status: number, body?: T}>}
 */
async function describe(path) {
  try {
    const response = await fetch(path, { headers: authorization() });
    return response.ok ? { status: 200, body: await response.json() } : { status: response.status };
  } catch {
    return { status: 0 };
  }
}

/**
 * Describes the live model.
 * @returns {Promise<{status: number, body?: Name & {classes: number, preprocessing: Preprocessing}}>}
 */
export function getModel() {
  return describe("/v1/model");
}

/**
 * Lists the classes of the model, or of a head.
 * @param {string} head
 * @returns {Promise<{status: number, body?: {labels: Class[]}}>}
 */
export function getClasses(head) {
  return describe(head === "" ? "/v1/labels" : `/v1/labels?head=${encodeURIComponent(head)}`);
}

/**
 * Lists the heads.
 * @returns {Promise<{status: number, body?: {model: Name, heads: (Name & {backbone: Name})[], truncated: boolean}}>}
 */
export function getHeads() {
  return describe("/v1/heads");
}

/**
 * Returns the curl command of the same request. It does not contain the key.
 * @param {Source} source
 * @param {Options} options
 */
export function curlLine(source, options) {
  const curl = `curl${key === "" ? "" : ' -H "Authorization: Bearer $KEY"'}`;
  const { origin } = location;
  if ("url" in source) return `${curl} ${quoted(origin + pathOf(options, source.url))}`;
  const to = quoted(origin + pathOf(options));
  if (!source.sample) return `${curl} --data-binary @${quoted(source.file.name)} ${to}`;
  return `curl -s ${quoted(origin + source.sample)} | ${curl} --data-binary @- ${to}`;
}

/**
 * Quotes text for a POSIX shell.
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
