/** Reads the labelled pictures from the Worker. */
import { authorization } from "../page/api.js";

/**
 * A labelled object, or one that could not be labelled. Anyone who uploads chooses the key: it is text, never markup.
 * @typedef {object} Picture
 * @property {string} key
 * @property {string} labelled_at
 * @property {boolean} stale
 * @property {{sha256: string, width: number, height: number}} [image]
 * @property {{name: string, version: string}} [model]
 * @property {{name: string, version: string}} [head]
 * @property {{label: string, score: number}[]} [predictions]
 * @property {{code: string, detail: string}} [error]
 * @property {string} [quarantined_from]
 * @property {number} [similarity]
 */

/** @typedef {{label: string, count: number}} LabelCount */
/** @typedef {{code: string, count: number}} FailureCount */
/** @typedef {{pictures: number, current: number, stale: number, failed: number, waiting: number, dead_letters: {count: number}}} Status */
/** @typedef {{code: string, detail?: string}} Problem */

/**
 * Gets JSON. `problem` says what went wrong, and does not throw.
 * @template T
 * @param {string} path
 * @param {Record<string, string>} [query]
 * @returns {Promise<{status: number, body?: T, problem?: Problem}>}
 */
async function get(path, query = {}) {
  const search = new URLSearchParams(query);
  try {
    const response = await fetch(search.size === 0 ? path : `${path}?${search}`, {
      headers: authorization(),
    });
    const body = await response.json().catch(() => ({ code: "no_json", detail: response.statusText }));
    return response.ok ? { status: response.status, body } : { status: response.status, problem: body };
  } catch {
    const detail = "The server did not respond. Check your connection.";
    return { status: 0, problem: { code: "no_answer", detail } };
  }
}

/** @returns {Promise<{status: number, body?: Status, problem?: Problem}>} */
export function getStatus() {
  return get("/v1/pictures/status");
}

/** @returns {Promise<{status: number, body?: {labels: LabelCount[], failures: FailureCount[]}, problem?: Problem}>} */
export function getLabels() {
  return get("/v1/pictures/labels");
}

/**
 * Gets a page of pictures.
 * @param {Record<string, string>} query
 * @returns {Promise<{status: number, body?: {pictures: Picture[], cursor?: string}, problem?: Problem}>}
 */
export function getPictures(query) {
  return get("/v1/pictures", query);
}

/**
 * Gets the pictures that are most like one.
 * @param {string} key
 * @returns {Promise<{status: number, body?: {compared: number, pictures: Picture[]}, problem?: Problem}>}
 */
export function getSimilar(key) {
  return get("/v1/pictures/similar", { key, limit: "12" });
}

/**
 * Gets a small JPEG. An <img> cannot send the key.
 * @param {string} key
 * @param {number} size pixels of the longer side
 * @returns {Promise<Blob | undefined>} undefined if there is none
 */
export async function getThumbnail(key, size) {
  try {
    const query = new URLSearchParams({ key, size: String(size) });
    const response = await fetch(`/v1/pictures/thumbnail?${query}`, { headers: authorization() });
    return response.ok ? await response.blob() : undefined;
  } catch {
    return undefined;
  }
}
