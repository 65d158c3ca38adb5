/** Shows which classes the model or a head recognises. */
import { button, byId, element } from "./elements.js";

/** @typedef {import("./api.js").Class} Class */

/** Classes without groups that are shown at first. */
const firstShown = 24;

/**
 * Shows the classes: by group if they have groups, else the first ones.
 * @param {readonly Class[]} classes
 */
export function showClasses(classes) {
  byId("classes", HTMLElement).hidden = false;
  byId("classes-count", HTMLElement).textContent =
    `${classes.length} ${classes.length === 1 ? "class" : "classes"}`;
  const isGrouped = classes.some(({ group }) => group !== undefined);
  byId("classes-list", HTMLElement).replaceChildren(...(isGrouped ? grouped(classes) : plain(classes)));
}

/** @param {readonly Class[]} classes */
function grouped(classes) {
  const groups = Map.groupBy(classes, ({ group = "Other" }) => group);
  const panel = element("div", "panel");
  panel.id = "group-panel";
  panel.hidden = true;
  /** @type {HTMLButtonElement | undefined} */
  let open;
  const chips = [...groups].map(([group, members]) => {
    const chip = button("chip", group, () => {
      open?.setAttribute("aria-expanded", "false");
      open = open === chip ? undefined : chip;
      open?.setAttribute("aria-expanded", "true");
      panel.hidden = open === undefined;
      panel.replaceChildren(...(open ? [list(members)] : []));
    });
    chip.append(" ", element("span", "count", String(members.length)));
    chip.setAttribute("aria-expanded", "false");
    chip.setAttribute("aria-controls", panel.id);
    return element("li", "", chip);
  });
  return [element("ul", "chips", ...chips), panel];
}

/** @param {readonly Class[]} classes */
function plain(classes) {
  const rest = classes.slice(firstShown);
  const shown = list(classes.slice(0, firstShown));
  if (rest.length === 0) return [shown];
  const more = element("li", "");
  more.append(
    button("chip", `and ${rest.length} more`, () => {
      const items = [...list(rest).children];
      more.replaceWith(...items);
      // Keeps the focus near: the button is gone.
      if (items[0] instanceof HTMLElement) {
        items[0].tabIndex = -1;
        items[0].focus();
      }
    }),
  );
  shown.append(more);
  return [shown];
}

/** @param {readonly Class[]} classes */
function list(classes) {
  return element("ul", "labels", ...classes.map(({ label }) => element("li", "", label)));
}
