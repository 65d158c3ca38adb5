/** The card of one image: its preview, and its result. */
import { curlLine } from "./api.js";
import { bar, element, percent, sizeText } from "./elements.js";
import { problemText } from "./problems.js";
import { waterfall } from "./stages.js";

/** @typedef {import("./api.js").Outcome} Outcome */
/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./api.js").Options} Options */

/**
 * What was sent for an image.
 * @typedef {object} Sent
 * @property {File} file the file that the user chose
 * @property {Blob} blob what was sent: the file, or a smaller JPEG
 * @property {Options} options
 */

/** @type {Record<string, string>} */
const cacheWords = {
  HIT: "from the cache",
  MISS: "computed",
  COALESCED: "shared with a concurrent request",
};

/**
 * Creates the card of a file, in its waiting state.
 * @param {File} file
 */
export function newCard(file) {
  const preview = element("img", "");
  preview.alt = "";
  preview.src = URL.createObjectURL(file);
  // No preview if the browser cannot show the image. The server may still be able to read it.
  preview.addEventListener("error", () => preview.remove());
  const caption = element("figcaption", "", file.name, " ", element("span", "quiet", sizeText(file.size)));
  const answer = element("div", "answer");
  answer.tabIndex = -1;
  const wait = () => answer.replaceChildren(element("p", "working", "Waiting for the answer…"));
  wait();
  const card = element("li", "card", element("figure", "", preview, caption), answer);
  return {
    card,
    wait,
    /**
     * @param {Outcome} outcome
     * @param {Sent} sent
     * @param {() => void} again sends the image again
     */
    show(outcome, sent, again) {
      const retry = () => {
        // Move the focus before the focused button is removed.
        answer.focus();
        again();
      };
      answer.replaceChildren(
        ...(outcome.answer ? answered(outcome, outcome.answer, sent) : failed(outcome, sent, retry)),
      );
    },
    dispose() {
      URL.revokeObjectURL(preview.src);
      card.remove();
    },
  };
}

/**
 * @param {Outcome} outcome
 * @param {Answer} answer
 * @param {Sent} sent
 */
function answered(outcome, answer, sent) {
  const [best] = answer.predictions;
  const rows = answer.predictions.map(({ label, score }) => {
    const name = element("span", "label", label);
    name.title = label;
    return element("li", "", name, bar(0, score), element("span", "score", percent(score)));
  });
  const stages = waterfall(outcome.serverTiming ?? "");
  const isUnsure = answer.confident === false;
  return [
    element("h3", isUnsure ? "best unsure" : "best", isUnsure ? "not sure: perhaps " : "", best?.label ?? ""),
    element("ol", "classes", ...rows),
    facts(outcome, answer, sent),
    ...(stages ? [stages] : []),
    curl(sent),
  ];
}

/**
 * @param {Outcome} outcome
 * @param {Answer} answer
 * @param {Sent} sent
 */
function facts(outcome, { model, head, image }, { file, blob }) {
  const cache = element("span", outcome.cache === "HIT" ? "hit" : "", outcome.cache ?? "");
  const sent = blob === file ? "unchanged" : `as a JPEG of ${sizeText(blob.size)}`;
  const named = head ? `${head.name} ${head.version} on ${model.name}` : model.name;
  /** @type {[string, (Node | string)[]][]} */
  const entries = [
    ["Answer", [cache, `, ${cacheWords[outcome.cache ?? ""] ?? ""}, after ${Math.round(outcome.ms)} ms`]],
    ["Image", [`${image.width} × ${image.height} pixels, sent ${sent}`]],
    ["SHA-256", [element("code", "", image.sha256)]],
    ["Model", [named, " ", element("code", "", model.version)]],
  ];
  return element(
    "dl",
    "facts",
    ...entries.flatMap(([term, parts]) => [element("dt", "", term), element("dd", "", ...parts)]),
  );
}

/** @param {Sent} sent */
function curl({ file, blob, options }) {
  const line = curlLine(file.name, options);
  const code = element("pre", "", element("code", "", line));
  // A long line scrolls, so the keyboard must be able to reach it.
  code.tabIndex = 0;
  const copy = element("button", "", "Copy");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line);
      copy.textContent = "Copied";
    } catch {
      // Pages may not write to the clipboard on plain HTTP (except localhost), or if the user forbids it.
      getSelection()?.selectAllChildren(code);
      copy.textContent = "Selected: press Ctrl C";
    }
  });
  const note = blob === file ? [] : [element("p", "quiet", "This command sends the original file.")];
  return element("details", "", element("summary", "", "curl command"), code, copy, ...note);
}

/**
 * @param {Outcome} outcome
 * @param {Sent} sent
 * @param {() => void} again
 */
function failed(outcome, { file, blob }, again) {
  const { status, problem } = outcome;
  const detail = [problem?.detail, status === 0 ? undefined : `${status} ${problem?.code}`].filter(Boolean);
  const retry = element("button", "", "Try again");
  retry.type = "button";
  retry.setAttribute("aria-label", `Try again: ${file.name}`);
  retry.addEventListener("click", again);
  return [
    element(
      "div",
      "problem",
      element("strong", "", problemText(outcome, blob)),
      element("p", "detail", detail.join(" · ")),
      // A missing key has its own form.
      ...(status === 401 ? [] : [retry]),
    ),
  ];
}
