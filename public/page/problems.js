/** Short messages for problems. The card shows the server's detail below. */

/** @typedef {import("./api.js").Outcome} Outcome */

/**
 * Returns a message that says what happened and what to do.
 * @param {Outcome} outcome
 * @param {Blob} file what was sent
 * @returns {string}
 */
export function problemText({ status, problem }, file) {
  const after = problem?.retryAfterSeconds;
  const wait = after ? `in ${after} s` : "in a moment";
  switch (problem?.code) {
    case "no_answer":
      return "The server did not respond. Check your connection and that the server is running.";
    case "unauthorized":
      return "The server requires an API key. Enter it above.";
    case "unsupported_image":
      return file.type.startsWith("image/")
        ? "The server reads only JPEG. Turn on “Shrink first” to convert the image in the browser."
        : "This file is not an image that the server can read.";
    case "image_undecodable":
      return "This JPEG is damaged or incomplete.";
    case "image_too_large":
      return "This image is too large for the server. Turn on “Shrink first”.";
    case "empty_body":
      return "This file is empty.";
    case "unknown_head":
      return "There is no head with this name.";
    case "invalid_parameter":
      return "The server does not accept one of the options.";
    case "rate_limited":
      return `Too many requests. Try again ${wait}.`;
    case "overloaded":
      return `The server is busy. Try again ${wait}.`;
    default:
      return status >= 500
        ? `The server cannot respond right now. Try again ${wait}.`
        : "The server does not accept this image.";
  }
}
