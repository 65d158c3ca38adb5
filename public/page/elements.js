/** Elements without markup in strings: what a server or a file name says is always text. */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

/**
 * A bar for the eye; what it says stands beside it in words.
 * @param {number} from share of the track, 0 to 1
 * @param {number} length share of the track, 0 to 1
 */
export function bar(from, length) {
  const fill = element("div", "fill");
  fill.style.width = `${100 * length}%`;
  fill.style.marginLeft = `${100 * from}%`;
  const track = element("div", "track", fill);
  track.setAttribute("aria-hidden", "true");
  return track;
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

/** @param {number} bytes */
export function sizeText(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * The element with this id, of this kind: the page's markup and its code belong together.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}
