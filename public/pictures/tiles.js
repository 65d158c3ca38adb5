/** A grid of pictures. Thumbnails are loaded when they come near the visible part of the page, a few at a time. */
import { button, element, percent } from "../page/elements.js";
import { getThumbnail } from "./api.js";

/** @typedef {import("./api.js").Picture} Picture */

const thumbnailSize = 256;
/** Thumbnails that are loaded at once. */
const maxLoading = 4;

/** A list of tiles in an element. */
export class Tiles {
  /** @type {HTMLElement} */
  #list;
  /** @type {(picture: Picture) => void} */
  #onChoose;
  /** Object URLs of the thumbnails, which hold memory until they are revoked. @type {string[]} */
  #urls = [];
  /** Tiles whose thumbnail is to be loaded. @type {HTMLElement[]} */
  #waiting = [];
  /** @type {Map<Element, Picture>} */
  #pictures = new Map();
  #loading = 0;
  #observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "400px" });

  /**
   * @param {HTMLElement} list
   * @param {(picture: Picture) => void} onChoose
   */
  constructor(list, onChoose) {
    this.#list = list;
    this.#onChoose = onChoose;
  }

  get count() {
    return this.#list.childElementCount;
  }

  /** @param {readonly Picture[]} pictures */
  add(pictures) {
    for (const picture of pictures) {
      const tile = tileOf(picture, this.#onChoose);
      this.#list.append(element("li", "", tile));
      if (picture.error) continue;
      this.#pictures.set(tile, picture);
      this.#observer.observe(tile);
    }
  }

  clear() {
    this.#observer.disconnect();
    for (const url of this.#urls) URL.revokeObjectURL(url);
    this.#urls = [];
    this.#waiting = [];
    this.#pictures.clear();
    this.#list.replaceChildren();
  }

  /** @param {readonly IntersectionObserverEntry[]} entries */
  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.#observer.unobserve(target);
      this.#waiting.push(/** @type {HTMLElement} */ (target));
    }
    while (this.#loading < maxLoading && this.#waiting.length > 0) void this.#load();
  }

  async #load() {
    const tile = this.#waiting.shift();
    const picture = tile && this.#pictures.get(tile);
    if (!tile || !picture) return;
    this.#loading++;
    const blob = await getThumbnail(picture.key, thumbnailSize);
    this.#loading--;
    // The list may have been cleared meanwhile.
    if (this.#pictures.get(tile) === picture) this.#show(tile, blob);
    if (this.#waiting.length > 0) void this.#load();
  }

  /**
   * @param {HTMLElement} tile
   * @param {Blob | undefined} blob
   */
  #show(tile, blob) {
    const frame = tile.querySelector(".thumb");
    if (!blob) return frame?.classList.add("missing");
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    frame?.append(imageOf(url));
  }
}

/**
 * Creates an image that says nothing beyond the text beside it.
 * @param {string} url
 */
export function imageOf(url) {
  const image = element("img", "");
  image.alt = "";
  image.src = url;
  return image;
}

/**
 * @param {Picture} picture
 * @param {(picture: Picture) => void} onChoose
 */
function tileOf(picture, onChoose) {
  const [best] = picture.predictions ?? [];
  const title = best ? best.label : (picture.error?.code ?? "").replaceAll("_", " ");
  const score = picture.similarity ?? best?.score;
  const tile = button("tile", "", () => onChoose(picture));
  const frame = element("span", picture.error ? "thumb missing" : "thumb");
  const caption = element("span", "caption", element("span", "tile-label", title));
  if (score !== undefined) caption.append(element("span", "tile-score", percent(Math.max(0, score))));
  tile.append(frame, caption, element("span", "tile-key", picture.key));
  const marks = [
    ...(picture.stale ? ["older model"] : []),
    ...(picture.quarantined_from ? ["quarantine"] : []),
  ];
  if (marks.length > 0) frame.append(element("span", "mark", marks.join(", ")));
  return tile;
}
