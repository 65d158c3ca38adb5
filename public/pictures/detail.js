/** The dialog of one picture: what is known about it, and similar pictures. */
import { bar, byId, element, percent } from "../page/elements.js";
import { getSimilar, getThumbnail } from "./api.js";
import { imageOf, Tiles } from "./tiles.js";

/** @typedef {import("./api.js").Picture} Picture */

const largeSize = 512;

const dialog = byId("detail", HTMLDialogElement);
const title = byId("detail-title", HTMLElement);
const body = byId("detail-body", HTMLElement);
const similarText = byId("similar-text", HTMLElement);
const similar = new Tiles(byId("similar", HTMLElement), (picture) => void showDetail(picture));
/** The picture that is shown, and its object URL. @type {Picture | undefined} */
let shown;
let url = "";

byId("detail-close", HTMLButtonElement).addEventListener("click", () => dialog.close());
// A click outside of the content hits the dialog itself.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("close", () => {
  shown = undefined;
  URL.revokeObjectURL(url);
  similar.clear();
});

/**
 * Opens the dialog. The browser returns the focus to the tile when it closes.
 * @param {Picture} picture
 */
export async function showDetail(picture) {
  shown = picture;
  const [best] = picture.predictions ?? [];
  title.textContent = best ? `${best.label}, ${percent(best.score)}` : "Not labelled";
  const frame = element("div", "large");
  body.replaceChildren(frame, element("div", "about", ...aboutOf(picture)));
  similar.clear();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("similar-title", HTMLElement).hidden = picture.error !== undefined;
  similarText.textContent = picture.error ? "" : "Searching …";
  void showImage(picture, frame);
  if (!picture.error) await showSimilar(picture);
}

/**
 * @param {Picture} picture
 * @param {HTMLElement} frame
 */
async function showImage(picture, frame) {
  const blob = picture.error ? undefined : await getThumbnail(picture.key, largeSize);
  if (shown !== picture) return;
  URL.revokeObjectURL(url);
  url = blob ? URL.createObjectURL(blob) : "";
  if (blob) frame.append(imageOf(url));
  else frame.classList.add("missing");
}

/** @param {Picture} picture */
async function showSimilar(picture) {
  const { body: answer, problem } = await getSimilar(picture.key);
  if (shown !== picture) return;
  similarText.textContent = answer
    ? `Compared with ${answer.compared} pictures. A percentage says how alike the features are.`
    : (problem?.detail ?? "The search failed.");
  if (answer) similar.add(answer.pictures);
}

/** @param {Picture} picture */
function aboutOf(picture) {
  const bars = (picture.predictions ?? []).map(({ label, score }) =>
    element(
      "li",
      "",
      element("span", "label", label),
      element("span", "score", percent(score)),
      bar(0, score),
    ),
  );
  /** @type {[string, string | undefined][]} */
  const facts = [
    ["Key", picture.key],
    ["Moved from", picture.quarantined_from],
    ["Error", picture.error?.code],
    ["Reason", picture.error?.detail],
    ["Size", picture.image && `${picture.image.width} × ${picture.image.height}`],
    ["Head", picture.head && `${picture.head.name} ${picture.head.version}`],
    ["Model", picture.model && `${picture.model.name} ${picture.model.version}`],
    ["Labelled", new Date(picture.labelled_at).toLocaleString()],
  ];
  const list = element("dl", "facts");
  for (const [term, value] of facts) {
    if (value !== undefined) list.append(element("dt", "", term), element("dd", "", value));
  }
  return [element("ol", "bars", ...bars), list];
}
