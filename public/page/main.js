/** The page: sends each image to the Worker, one after the other, and shows a card for each. */
import { classify, servedModel, useKey } from "./api.js";
import { newCard } from "./card.js";
import { byId, percent } from "./elements.js";
import { problemText } from "./problems.js";
import { shrink } from "./shrink.js";

/**
 * An image on the page.
 * @typedef {object} Job
 * @property {File} file
 * @property {ReturnType<typeof newCard>} view
 * @property {"answered" | "cached" | "refused" | undefined} [end] its latest result
 */

const results = byId("results", HTMLElement);
const cards = byId("cards", HTMLOListElement);
const live = byId("live", HTMLElement);
const keyForm = byId("key-form", HTMLFormElement);
const drop = byId("drop", HTMLElement);
const topK = byId("top-k", HTMLSelectElement);
const head = byId("head", HTMLInputElement);
const shrinkFirst = byId("shrink", HTMLInputElement);

/** @type {Job[]} */
const waiting = [];
/** Jobs that wait for an API key. @type {Job[]} */
let locked = [];
/** @type {Job[]} */
let shown = [];
let working = false;
/** Number of keys entered so far. A refusal of a replaced key is ignored. */
let keysGiven = 0;

/** @param {Iterable<File>} files */
function add(files) {
  for (const file of files) {
    /** @type {Job} */
    const job = { file, view: newCard(file) };
    cards.prepend(job.view.card);
    shown.push(job);
    waiting.push(job);
  }
  showWhetherAnswered();
  void work();
}

function showWhetherAnswered() {
  results.hidden = shown.length === 0;
  document.body.classList.toggle("answered", shown.length > 0);
}

async function work() {
  if (working) return;
  working = true;
  for (let job = waiting.shift(); job; job = waiting.shift()) await ask(job);
  working = false;
}

/** @param {Job} job */
async function ask(job) {
  const { file, view } = job;
  const options = { topK: Number(topK.value), head: head.value.trim() };
  const blob = shrinkFirst.checked ? await shrink(file) : file;
  const keysThen = keysGiven;
  const outcome = await classify(blob, options);
  if (!shown.includes(job)) return; // The user has cleared the page.
  if (outcome.status === 401 && keysThen < keysGiven) {
    waiting.push(job);
    return;
  }
  view.show(outcome, { file, blob, options }, () => again(job));
  if (outcome.answer) {
    const [best] = outcome.answer.predictions;
    job.end = outcome.cache === "HIT" ? "cached" : "answered";
    say(`${file.name}: ${best?.label}, ${percent(best?.score ?? 0)}`);
    nameModel(outcome.answer.model);
  } else if (outcome.status === 401) {
    locked.push(job);
    askForKey();
  } else {
    job.end = "refused";
    say(`${file.name}: ${problemText(outcome, blob)}`);
  }
  summarise();
}

/** Sends an image again, with the current options. @param {Job} job */
function again(job) {
  job.end = undefined;
  job.view.wait();
  summarise();
  waiting.push(job);
  void work();
}

function summarise() {
  /** @param {Job["end"]} end */
  const count = (end) => shown.filter((job) => job.end === end).length;
  const [cached, refused] = [count("cached"), count("refused")];
  byId("summary", HTMLElement).textContent =
    `${count("answered") + cached} answered, ${cached} from the cache${refused > 0 ? `; ${refused} refused` : ""}`;
}

/** @param {string} text */
function say(text) {
  live.textContent = text;
}

function askForKey() {
  keyForm.hidden = false;
  byId("key", HTMLInputElement).focus();
  say("The server requires an API key.");
}

/** @param {{name: string, version: string, classes?: number}} model */
function nameModel({ name, version, classes }) {
  const place = byId("model", HTMLElement);
  if (classes !== undefined || place.textContent === "") {
    place.textContent = `${name} ${version}${classes === undefined ? "" : ` · ${classes} classes`}`;
  }
}

async function showModel() {
  const keysThen = keysGiven;
  const { status, model } = await servedModel();
  if (model) nameModel(model);
  else if (status === 401 && keysThen === keysGiven) askForKey();
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("key", HTMLInputElement);
  useKey(input.value.trim());
  keysGiven++;
  input.value = "";
  keyForm.hidden = true;
  waiting.push(...locked);
  locked = [];
  void work();
  void showModel();
});

for (const id of ["pick", "camera"]) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener("change", () => {
    add(input.files ?? []);
    // Without this, choosing the same file again would not be a change.
    input.value = "";
  });
}

// Accept drops anywhere. Otherwise an image dropped outside the drop area would replace the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", () => drop.classList.remove("over"));
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer?.files ?? []);
});

window.addEventListener("paste", (event) => {
  const files = event.clipboardData?.files;
  if (files && files.length > 0) add(files);
});

byId("clear", HTMLButtonElement).addEventListener("click", () => {
  for (const { view } of shown) view.dispose();
  waiting.length = 0;
  locked = [];
  shown = [];
  summarise();
  showWhetherAnswered();
  byId("pick", HTMLInputElement).focus();
});

void showModel();
