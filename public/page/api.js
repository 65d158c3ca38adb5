/** The calls of the page: the one place that builds a request, and the curl line that does the same. */

/**
 * @typedef {object} Wanted
 * @property {number} topK
 * @property {string} head name of a head, or ""
 */

/**
 * @typedef {object} Answer
 * @property {{name: string, version: string}} model
 * @property {{name: string, version: string}} [head]
 * @property {{sha256: string, width: number, height: number}} image width and height in pixels
 * @property {{label: string, score: number, index: number, id: string}[]} predictions
 */

/**
 * @typedef {object} Problem RFC 9457, as the Worker answers it.
 * @property {string} code
 * @property {string} [detail]
 * @property {number} [retryAfterSeconds]
 */

/**
 * @typedef {object} Outcome
 * @property {number} status 0: no answer came
 * @property {Answer} [answer]
 * @property {Problem} [problem]
 * @property {string} [cache] HIT, MISS or COALESCED
 * @property {string} [serverTiming]
 * @property {number} ms from sending to the answer, as the browser sees it
 */

/** In memory only: gone with the tab. */
let key = "";

/** @param {string} given */
export function useKey(given) {
  key = given;
}

/** @param {Wanted} wanted */
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
 * @param {Blob} image
 * @param {Wanted} wanted
 * @returns {Promise<Outcome>}
 */
export async function classify(image, wanted) {
  const startedMs = performance.now();
  try {
    const headers = { ...authorization(), "Content-Type": "image/jpeg" };
    const response = await fetch(pathOf(wanted), { method: "POST", body: image, headers });
    // What stands between may answer in HTML: its status still tells.
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
 * What is served; undefined where the server does not say.
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
 * The same in a shell. The key is never shown.
 * @param {string} file name of the file
 * @param {Wanted} wanted
 */
export function curlLine(file, wanted) {
  const door = key === "" ? "" : ' -H "Authorization: Bearer $KEY"';
  return `curl${door} --data-binary @${quoted(file)} ${quoted(location.origin + pathOf(wanted))}`;
}

/**
 * For a POSIX shell.
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
