/** One image of this visit: its preview, and what the server said of it. */
import { curlLine } from "./api.js";
import { bar, element, percent, sizeText } from "./elements.js";
import { inWords } from "./problems.js";
import { waterfall } from "./stages.js";

/** @typedef {import("./api.js").Outcome} Outcome */
/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./api.js").Wanted} Wanted */

/**
 * What was sent, and how.
 * @typedef {object} Sent
 * @property {File} file as it was given
 * @property {Blob} blob as it was sent
 * @property {Wanted} wanted
 */

/** @type {Record<string, string>} */
const cacheWords = {
  HIT: "from the cache",
  MISS: "computed",
  COALESCED: "shared with an equal image under way",
};

/** @param {File} file */
export function newCard(file) {
  const preview = element("img", "");
  preview.alt = "";
  preview.src = URL.createObjectURL(file);
  // What the browser cannot show stays without a preview; the server may read it all the same.
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
     * @param {() => void} again sends it once more
     */
    show(outcome, sent, again) {
      const retry = () => {
        // The button goes away, and the focus must not go with it.
        answer.focus();
        again();
      };
      answer.replaceChildren(
        ...(outcome.answer ? right(outcome, outcome.answer, sent) : wrong(outcome, sent, retry)),
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
function right(outcome, answer, sent) {
  const [best] = answer.predictions;
  const rows = answer.predictions.map(({ label, score }) => {
    const name = element("span", "label", label);
    name.title = label;
    return element("li", "", name, bar(0, score), element("span", "score", percent(score)));
  });
  const stages = waterfall(outcome.serverTiming ?? "");
  return [
    element("h3", "best", best?.label ?? ""),
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
  const sent = blob === file ? "as it is" : `as a JPEG of ${sizeText(blob.size)}`;
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
function curl({ file, blob, wanted }) {
  const line = curlLine(file.name, wanted);
  const code = element("pre", "", element("code", "", line));
  // It scrolls where it is long, so the keyboard must reach it.
  code.tabIndex = 0;
  const copy = element("button", "", "Copy");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line);
      copy.textContent = "Copied";
    } catch {
      // Not on http:// but for localhost, and not where the user forbids it.
      getSelection()?.selectAllChildren(code);
      copy.textContent = "Selected: copy it with Ctrl C";
    }
  });
  const note = blob === file ? [] : [element("p", "quiet", "It sends the file as it is, not made smaller.")];
  return element("details", "", element("summary", "", "The same with curl"), code, copy, ...note);
}

/**
 * @param {Outcome} outcome
 * @param {Sent} sent
 * @param {() => void} again
 */
function wrong(outcome, { file, blob }, again) {
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
      element("strong", "", inWords(outcome, blob)),
      element("p", "detail", detail.join(" · ")),
      // A missing key has a form of its own.
      ...(status === 401 ? [] : [retry]),
    ),
  ];
}
