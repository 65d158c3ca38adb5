/** What went wrong, in the page's words; the server's own detail stands below it. */

/** @typedef {import("./api.js").Outcome} Outcome */

/**
 * @param {Outcome} outcome
 * @param {Blob} file
 * @returns {string}
 */
export function inWords({ status, problem }, file) {
  const after = problem?.retryAfterSeconds;
  const wait = after ? `in ${after} s` : "in a moment";
  switch (problem?.code) {
    case "no_answer":
      return "No answer came. Are you online, and is the server?";
    case "unauthorized":
      return "The server asks for an API key. Enter it above.";
    case "unsupported_image":
      return file.type.startsWith("image/")
        ? "The server reads JPEG. Turn on “Shrink first” and the browser converts the image."
        : "This is not an image that the server reads.";
    case "image_undecodable":
      return "This JPEG is broken, or cut short.";
    case "image_too_large":
      return "This image is too large for the server. Turn on “Shrink first”.";
    case "empty_body":
      return "This file is empty.";
    case "unknown_head":
      return "There is no head of this name.";
    case "invalid_parameter":
      return "The server does not take one of the options.";
    case "rate_limited":
      return `You have asked very often. Try again ${wait}.`;
    case "overloaded":
      return `The server has much to do. Try again ${wait}.`;
    default:
      return status >= 500
        ? `The server cannot answer right now. Try again ${wait}.`
        : "The server does not take this image.";
  }
}
