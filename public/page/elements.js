/** Creates elements without HTML strings, so that text from a server or a file name is never markup. */

/**
 * Creates an element with a class and children.
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
 * Creates a button.
 * @param {string} className
 * @param {string} text
 * @param {(button: HTMLButtonElement) => void} onClick
 */
export function button(className, text, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", () => onClick(made));
  return made;
}

/**
 * Creates a bar. Its value must also be next to it as text, because the bar is hidden from screen readers.
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

/**
 * Formats a share as a percentage: >99.9%, 99.7%, 61%, 4.2%, <0.1%.
 * @param {number} share 0 to 1
 */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1%";
  if (share < 1 && share >= 0.9995) return ">99.9%";
  return `${(100 * share).toFixed(share < 0.0995 || share >= 0.9895 ? 1 : 0)}%`;
}

/**
 * Formats a size in bytes, kB or MB.
 * @param {number} bytes
 */
export function sizeText(bytes) {
  if (bytes < 1e3) return `${bytes} bytes`;
  return bytes < 999_500 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * Returns the element with this id.
 * @throws Error if the page has no element of this kind with this id
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
