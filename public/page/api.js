/** Calls the Worker's API, and builds the equivalent curl command. */

/**
 * Options of a classification.
 * @typedef {object} Options
 * @property {number} topK
 * @property {string} head name of a head, or "" for the model's own classes
 */

/**
 * The Worker's answer for one image.
 * @typedef {object} Answer
 * @property {{name: string, version: string}} model
 * @property {{name: string, version: string}} [head]
 * @property {{sha256: string, width: number, height: number}} image width and height in pixels
 * @property {{label: string, score: number, index: number, id: string}[]} predictions
 * @property {boolean} [confident] whether the highest probability reaches the threshold of the head, or of the model
 */

/**
 * The Worker's RFC 9457 problem details.
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} [detail]
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

/** @param {Options} options */
function pathOf({ topK, head }) {
  const query = new URLSearchParams({ top_k: String(topK) });
  if (head !== "") query.set("head", head);
  return `/v1/classify?${query}`;
}

/** @returns {Record<string, string>} */
function authorization() {
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

/**
 * Classifies an image. Reports failures as a problem and does not throw.
 * @param {Blob} image
 * @param {Options} options
 * @returns {Promise<Outcome>}
 */
export async function classify(image, options) {
  const startedMs = performance.now();
  try {
    const headers = { ...authorization(), "Content-Type": "image/jpeg" };
    const response = await fetch(pathOf(options), { method: "POST", body: image, headers });
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
 * Asks which model is served. `model` is undefined if the server does not answer.
 * @returns {Promise<{status: number, model?: {name: string, version: string, classes: number}}>}
 */
export async function servedModel() {
  try {
    const response = await fetch("/v1/model", { headers: authorization() });
    return response.ok ? { status: 200, model: await response.json() } : { status: response.status };
  } catch {
    return { status: 0 };
  }
}

/**
 * Returns the curl command of the same request. It does not contain the key.
 * @param {string} file name of the file
 * @param {Options} options
 */
export function curlLine(file, options) {
  const authHeader = key === "" ? "" : ' -H "Authorization: Bearer $KEY"';
  return `curl${authHeader} --data-binary @${quoted(file)} ${quoted(location.origin + pathOf(options))}`;
}

/**
 * Quotes text for a POSIX shell.
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
