/** The page /pictures: labels with counts, a grid that loads while scrolling, and the progress of labelling. */
import { useKey } from "../page/api.js";
import { button, byId, element } from "../page/elements.js";
import { getLabels, getPictures, getStatus } from "./api.js";
import { showDetail } from "./detail.js";
import { Tiles } from "./tiles.js";

/** @typedef {import("./api.js").Status} Status */
/** @typedef {import("./api.js").Problem} Problem */
/** @typedef {{label?: string, code?: string, minScore: number}} View `minScore` in percent */

/** Each poll counts all rows of the database, which D1 charges for. */
const pollMs = 3000;
const pagePictures = 48;
/** Labels that are shown at first. */
const firstLabels = 12;

const keyForm = byId("key-form", HTMLFormElement);
const more = byId("more", HTMLButtonElement);
const moreLabels = byId("more-labels", HTMLButtonElement);
const news = byId("news", HTMLButtonElement);
const minScore = byId("min-score", HTMLInputElement);
const live = byId("live", HTMLElement);
const tiles = new Tiles(byId("grid", HTMLElement), (picture) => void showDetail(picture));

/** @type {View} */
let view = viewOf(location.search);
/** Undefined: the first page. @type {string | undefined} */
let cursor;
/** Counts the views, so that an answer for an earlier one is dropped. */
let viewNumber = 0;
let isLoading = false;
/** @type {Status | undefined} */
let status;
/** Pictures when the grid was loaded. */
let knownPictures = 0;
let allLabels = false;
/** @type {{labels: import("./api.js").LabelCount[], failures: import("./api.js").FailureCount[]}} */
let counts = { labels: [], failures: [] };
let timer = 0;

/**
 * @param {string} search
 * @returns {View}
 */
function viewOf(search) {
  const query = new URLSearchParams(search);
  const percent = Number(query.get("min_score")) * 100;
  const [label, code] = [query.get("label"), query.get("code")];
  return {
    ...(label !== null && { label }),
    ...(code !== null && { code }),
    minScore: percent > 0 && percent <= 95 ? Math.round(percent) : 0,
  };
}

/** @returns {Record<string, string>} */
function queryOf() {
  return {
    ...(view.label !== undefined && { label: view.label }),
    ...(view.code !== undefined && { code: view.code }),
    ...(view.minScore > 0 && { min_score: String(view.minScore / 100) }),
  };
}

/** @param {View} next */
function go(next) {
  view = next;
  const query = new URLSearchParams(queryOf());
  history.pushState(null, "", query.size === 0 ? location.pathname : `?${query}`);
  void showView();
}

async function start() {
  byId("notice", HTMLElement).hidden = true;
  const answer = await getStatus();
  if (answer.status === 401) return askForKey();
  if (!answer.body) return explain(answer.problem);
  byId("browser", HTMLElement).hidden = false;
  showStatus(answer.body);
  await showView();
  schedule(true);
}

function askForKey() {
  clearTimeout(timer);
  byId("browser", HTMLElement).hidden = true;
  keyForm.hidden = false;
  byId("key", HTMLInputElement).focus();
}

/** @param {Problem | undefined} problem */
function explain(problem) {
  /** @type {Record<string, string>} */
  const titles = {
    not_configured: "This Worker does not label a bucket",
    api_keys_required: "The pictures are private",
  };
  byId("browser", HTMLElement).hidden = true;
  byId("notice", HTMLElement).hidden = false;
  byId("notice-title", HTMLElement).textContent =
    titles[problem?.code ?? ""] ?? "The pictures cannot be loaded";
  byId("notice-text", HTMLElement).textContent = problem?.detail ?? "The server did not respond.";
  byId("notice-retry", HTMLButtonElement).hidden = titles[problem?.code ?? ""] !== undefined;
}

/** Polls while something changes. @param {boolean} isChanging */
function schedule(isChanging) {
  clearTimeout(timer);
  if (isChanging) timer = setTimeout(poll, pollMs);
}

async function poll() {
  if (document.hidden) return;
  const before = JSON.stringify(status);
  const answer = await getStatus();
  if (answer.status === 401) return askForKey();
  if (answer.body) showStatus(answer.body);
  const changed = JSON.stringify(status) !== before;
  if (changed) await loadLabels();
  schedule(changed || (status?.waiting ?? 0) > 0);
}

/** @param {Status} next */
function showStatus(next) {
  status = next;
  const { pictures, current, stale, failed, waiting, dead_letters } = next;
  const done = current + failed;
  byId("progress", HTMLElement).hidden = pictures + waiting === 0;
  byId("progress-fill", HTMLElement).style.width = `${(100 * done) / Math.max(1, pictures + waiting)}%`;
  const parts = [
    `${count(current)} labelled`,
    ...(waiting > 0 ? [`${count(waiting)} waiting`] : []),
    ...(stale > 0 ? [`${count(stale)} by an older model`] : []),
    ...(failed > 0 ? [`${count(failed)} not labelled`] : []),
    ...(dead_letters.count > 0 ? [`${count(dead_letters.count)} given up`] : []),
  ];
  byId("progress-text", HTMLElement).textContent = parts.join(" · ");
  news.hidden = pictures === knownPictures;
}

/** @param {number} value */
function count(value) {
  return value.toLocaleString("en");
}

async function showView() {
  viewNumber++;
  tiles.clear();
  cursor = undefined;
  isLoading = false;
  knownPictures = status?.pictures ?? 0;
  news.hidden = true;
  minScore.value = String(view.minScore);
  byId("min-score-text", HTMLElement).textContent = `${view.minScore}%`;
  const title = view.label ?? view.code?.replaceAll("_", " ") ?? "All pictures";
  byId("grid-title", HTMLElement).textContent = title;
  showLabels();
  await Promise.all([loadMore(), loadLabels()]);
  live.textContent = `${title}: ${tiles.count} pictures${more.hidden ? "" : " so far"}`;
}

async function loadMore() {
  if (isLoading) return;
  isLoading = true;
  const asked = viewNumber;
  const query = { ...queryOf(), limit: String(pagePictures), ...(cursor !== undefined && { cursor }) };
  const { status: code, body, problem } = await getPictures(query);
  if (asked !== viewNumber) return;
  isLoading = false;
  if (code === 401) return askForKey();
  if (!body) return explain(problem);
  tiles.add(body.pictures);
  cursor = body.cursor;
  more.hidden = cursor === undefined;
  byId("grid-count", HTMLElement).textContent = `${count(tiles.count)}${more.hidden ? "" : " so far"}`;
  const empty = byId("grid-empty", HTMLElement);
  empty.hidden = tiles.count > 0;
  empty.textContent =
    status?.pictures === 0
      ? "The bucket has no labelled pictures yet. Upload some, or run: npm run bucket -- import FOLDER"
      : "No picture fits these filters.";
}

async function loadLabels() {
  const { body } = await getLabels();
  if (!body) return;
  counts = body;
  showLabels();
}

function showLabels() {
  const { labels, failures } = counts;
  const shown = allLabels ? labels : labels.slice(0, firstLabels);
  const all = { label: undefined, count: status?.pictures ?? 0 };
  const { minScore: score } = view;
  byId("labels", HTMLElement).replaceChildren(
    ...[all, ...shown].map(({ label, count: pictures }) =>
      filterOf(label ?? "All pictures", pictures, view.code === undefined && view.label === label, () =>
        go({ ...(label !== undefined && { label }), minScore: score }),
      ),
    ),
  );
  moreLabels.hidden = allLabels || labels.length <= firstLabels;
  byId("failures-title", HTMLElement).hidden = failures.length === 0;
  byId("failures", HTMLElement).replaceChildren(
    ...failures.map(({ code, count: pictures }) =>
      filterOf(code.replaceAll("_", " "), pictures, view.code === code, () => go({ code, minScore: 0 })),
    ),
  );
}

/**
 * @param {string} text
 * @param {number} pictures
 * @param {boolean} isChosen
 * @param {() => void} onClick
 */
function filterOf(text, pictures, isChosen, onClick) {
  const made = button("filter", "", onClick);
  made.append(element("span", "filter-text", text), element("span", "filter-count", count(pictures)));
  made.setAttribute("aria-pressed", String(isChosen));
  return element("li", "", made);
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("key", HTMLInputElement);
  useKey(input.value.trim());
  input.value = "";
  keyForm.hidden = true;
  void start();
});
more.addEventListener("click", () => void loadMore());
moreLabels.addEventListener("click", () => {
  allLabels = true;
  showLabels();
});
news.addEventListener("click", () => void showView());
byId("notice-retry", HTMLButtonElement).addEventListener("click", () => void start());
minScore.addEventListener("input", () => {
  byId("min-score-text", HTMLElement).textContent = `${minScore.value}%`;
});
minScore.addEventListener("change", () => go({ ...view, minScore: Number(minScore.value) }));
window.addEventListener("popstate", () => {
  view = viewOf(location.search);
  void showView();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && status) void poll();
});
new IntersectionObserver(
  ([entry]) => {
    if (entry?.isIntersecting && !more.hidden) void loadMore();
  },
  { rootMargin: "600px" },
).observe(more);

await start();
