/** Short messages for problems. The card shows the server's detail below. */

/** @typedef {import("./api.js").Outcome} Outcome */
/** @typedef {import("./api.js").Source} Source */

/**
 * Returns a message that says what happened and what to do.
 * @param {Outcome} outcome
 * @param {Source} source
 * @returns {string}
 */
export function problemText({ status, problem }, source) {
  const after = problem?.retryAfterSeconds;
  const wait = after ? `in ${after} s` : "in a moment";
  switch (problem?.code) {
    case "no_answer":
      return "The server did not respond. Check your connection.";
    case "unauthorized":
      return "The server requires an API key. Enter it above.";
    case "unsupported_image":
      return "url" in source
        ? "The server cannot read what is at that address. If it is a picture, save it, then choose the file."
        : "This is not a picture that the server or your browser can read.";
    case "image_undecodable":
      return "This picture is damaged or incomplete.";
    case "image_too_large":
      // The page makes a file smaller, but it cannot load pictures from other hosts.
      return "url" in source
        ? "This picture is too large. Save it, then choose the file."
        : "This picture is too large.";
    case "empty_body":
      return "This file is empty.";
    case "host_not_allowed":
      return "This server does not fetch pictures from that address. Save the picture, then choose the file.";
    case "image_unreachable":
    case "upstream_unavailable":
      return "The server could not fetch the picture from that address.";
    case "unknown_head":
    case "head_mismatch":
      return "This head does not fit the live model. Choose another one.";
    case "rate_limited":
      return `Too many requests. Try again ${wait}.`;
    case "overloaded":
      return `The server is busy. Try again ${wait}.`;
    default:
      return status >= 500
        ? `The server cannot respond right now. Try again ${wait}.`
        : "The server does not accept this picture.";
  }
}

/**
 * Whether the same request may succeed later.
 * @param {Outcome} outcome
 */
export function mayRetry({ status }) {
  return status === 0 || status === 429 || status >= 500;
}
