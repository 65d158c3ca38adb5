/** The card of one picture: its preview, and its result. */
import { curlLine } from "./api.js";
import { bar, button, element, percent, sizeText } from "./elements.js";
import { mayRetry, problemText } from "./problems.js";
import { waterfall } from "./stages.js";

/** @typedef {import("./api.js").Outcome} Outcome */
/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./api.js").Options} Options */
/** @typedef {import("./api.js").Preprocessing} Preprocessing */
/** @typedef {import("./api.js").Source} Source */

/**
 * What a card shows of an outcome.
 * @typedef {object} Shown
 * @property {Outcome} outcome
 * @property {Options} options of the request
 * @property {Blob | string} sent a file or a smaller JPEG, or a URL
 * @property {number} top classes to show
 * @property {Preprocessing | undefined} preprocessing of the model, if it is known
 */

/** @type {Record<string, string>} */
const cacheWords = {
  HIT: "from the cache",
  MISS: "computed",
  COALESCED: "shared with a concurrent request",
};

/**
 * Returns the name of a picture: of its file, or the end of its address.
 * @param {Source} source
 */
export function nameOf(source) {
  if ("file" in source) return source.file.name;
  const { hostname, pathname } = new URL(source.url);
  return pathname.split("/").findLast((part) => part !== "") ?? hostname;
}

/**
 * Returns the centre part of a picture that the model sees, as shares of the picture's width and height.
 * @param {Preprocessing} preprocessing
 * @param {{width: number, height: number}} image
 */
export function seenPart({ resize, size, crop }, { width, height }) {
  const share = crop / size;
  if (resize === "stretch") return { width: share, height: share };
  const short = Math.min(width, height);
  return { width: (share * short) / width, height: (share * short) / height };
}

/**
 * Creates the card of a picture, in its waiting state.
 * @param {Source} source
 * @param {() => void} again sends the picture again
 */
export function newCard(source, again) {
  const name = nameOf(source);
  const { frame, dispose } = preview(source, name);
  const size = "file" in source ? [element("span", "size", sizeText(source.file.size))] : [];
  const title = element("span", "title", name);
  title.title = "url" in source ? source.url : name;
  const answer = element("div", "answer");
  answer.tabIndex = -1;
  const text = element("div", "text", element("p", "file", title, ...size), answer);
  const card = element("li", "card", element("figure", "", frame), text);
  const details = element("details", "");
  const retry = () => {
    // Move the focus before the focused button is removed.
    answer.focus();
    again();
  };
  return {
    card,
    wait() {
      card.classList.add("waiting");
      details.remove();
      answer.replaceChildren(element("p", "working", "Looking at it…"));
    },
    /** @param {Shown} shown */
    show(shown) {
      const { outcome, preprocessing } = shown;
      card.classList.remove("waiting");
      frame.querySelector(".seen")?.remove();
      if (!outcome.answer) {
        details.remove();
        answer.replaceChildren(failed(outcome, source, retry));
        return;
      }
      if (preprocessing && frame.querySelector("img")) mark(frame, preprocessing, outcome.answer.image);
      answer.replaceChildren(...answered(outcome.answer, shown.top));
      details.replaceChildren(element("summary", "", "Details"), ...facts(outcome.answer, source, shown));
      text.append(details);
    },
    dispose() {
      dispose();
      card.remove();
    },
  };
}

/**
 * @param {Source} source
 * @param {string} name
 */
function preview(source, name) {
  const frame = element("div", "frame");
  if ("url" in source) {
    // The page loads nothing from other hosts, so they do not learn who looks at it. A click opens the picture.
    const link = element("a", "address", new URL(source.url).host);
    link.href = source.url;
    link.target = "_blank";
    link.rel = "noreferrer";
    link.title = "Open the picture in a new tab";
    frame.append(link);
    return { frame, dispose: () => {} };
  }
  const url = URL.createObjectURL(source.file);
  const image = element("img", "");
  image.alt = name;
  image.addEventListener("load", () => {
    frame.style.setProperty("--ratio", String(image.naturalWidth / image.naturalHeight));
  });
  // No preview if the browser cannot show the picture. The server may still be able to read it.
  image.addEventListener("error", () => image.remove());
  image.src = url;
  frame.append(image);
  return { frame, dispose: () => URL.revokeObjectURL(url) };
}

/**
 * Marks the part of the picture that the model sees.
 * @param {HTMLElement} frame
 * @param {Preprocessing} preprocessing
 * @param {{width: number, height: number}} image
 */
function mark(frame, preprocessing, image) {
  const { width, height } = seenPart(preprocessing, image);
  if (Math.min(width, height) > 0.999) return;
  const seen = element("div", "seen");
  Object.assign(seen.style, {
    width: `${100 * width}%`,
    height: `${100 * height}%`,
    left: `${50 * (1 - width)}%`,
    top: `${50 * (1 - height)}%`,
  });
  frame.append(seen);
}

/**
 * @param {Answer} answer
 * @param {number} top
 */
function answered({ predictions, confident }, top) {
  const [best] = predictions;
  const rows = predictions.slice(0, top).map(({ label, score }) => {
    const name = element("span", "label", label);
    name.title = label;
    return element("li", "", name, element("span", "score", percent(score)), bar(0, score));
  });
  const isUnsure = confident === false;
  const share = element("span", "share", percent(best?.score ?? 0));
  return [
    element(
      "h3",
      isUnsure ? "best unsure" : "best",
      isUnsure ? "not sure: perhaps " : "",
      element("span", "", best?.label ?? ""),
      " ",
      share,
    ),
    element("ol", "bars", ...rows),
  ];
}

/**
 * @param {Answer} answer
 * @param {Source} source
 * @param {Shown} shown
 */
function facts({ model, head, image }, source, { outcome, options, sent, top }) {
  const isUnchanged = "url" in source || sent === source.file;
  const how =
    "url" in source ? "fetched by the Worker" : isUnchanged ? "sent unchanged" : convertedText(sent);
  /** @param {import("./api.js").Name} named */
  const named = ({ name, version }) => [`${name} `, element("code", "", version)];
  /** @type {[string, (Node | string)[]][]} */
  const entries = [
    [
      "Answer",
      [`${outcome.cache}, ${cacheWords[outcome.cache ?? ""] ?? ""}, after ${Math.round(outcome.ms)} ms`],
    ],
    ["Picture", [`${image.width} × ${image.height} pixels, ${how}`]],
    ["Model", named(model)],
    ...(head ? [/** @type {[string, (Node | string)[]]} */ (["Head", named(head)])] : []),
    ["SHA-256", [element("code", "", image.sha256)]],
  ];
  const list = entries.flatMap(([term, parts]) => [element("dt", "", term), element("dd", "", ...parts)]);
  const stages = waterfall(outcome.serverTiming ?? "");
  const topK = Math.min(top, options.topK ?? top);
  return [
    element("dl", "facts", ...list),
    ...(stages ? [element("h4", "", "Stages"), stages] : []),
    // The command sends the file as it is, which the Worker reads only if the browser did not have to convert it.
    ...(isUnchanged ? curl(curlLine(source, { ...options, topK })) : []),
  ];
}

/** @param {Blob | string} sent */
function convertedText(sent) {
  return `sent as a JPEG of ${sizeText(typeof sent === "string" ? 0 : sent.size)}`;
}

/** @param {string} line */
function curl(line) {
  const code = element("pre", "", element("code", "", line));
  // A long line scrolls, so the keyboard must be able to reach it.
  code.tabIndex = 0;
  const copy = button("small", "Copy", async () => {
    try {
      await navigator.clipboard.writeText(line);
      copy.textContent = "Copied";
    } catch {
      // Pages may not write to the clipboard on plain HTTP (except localhost), or if the user forbids it.
      getSelection()?.selectAllChildren(code);
      copy.textContent = "Selected: press Ctrl C";
    }
  });
  return [element("div", "curl", element("h4", "", "The same with curl"), copy), code];
}

/**
 * @param {Outcome} outcome
 * @param {Source} source
 * @param {() => void} again
 */
function failed(outcome, source, again) {
  const { status, problem } = outcome;
  const detail = [problem?.detail, status === 0 ? undefined : `${status} ${problem?.code}`].filter(Boolean);
  const retry = button("retry", "Try again", again);
  retry.setAttribute("aria-label", `Try again: ${nameOf(source)}`);
  return element(
    "div",
    "problem",
    element("strong", "", problemText(outcome, source)),
    element("p", "detail", detail.join(" · ")),
    ...(mayRetry(outcome) ? [retry] : []),
  );
}
