/** The page: images in, one after the other to the Worker, a card for each. */
import { classify, servedModel, useKey } from "./api.js";
import { newCard } from "./card.js";
import { byId, percent } from "./elements.js";
import { inWords } from "./problems.js";
import { shrink } from "./shrink.js";

/**
 * @typedef {object} Job
 * @property {File} file
 * @property {ReturnType<typeof newCard>} view
 * @property {"answered" | "cached" | "refused" | undefined} [end] what came of it so far
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
/** Those that wait for a key. @type {Job[]} */
let locked = [];
/** @type {Job[]} */
let shown = [];
let working = false;
/** Keys given so far: a refusal of one that has been replaced meanwhile says nothing. */
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
  const wanted = { topK: Number(topK.value), head: head.value.trim() };
  const blob = shrinkFirst.checked ? await shrink(file) : file;
  const keysThen = keysGiven;
  const outcome = await classify(blob, wanted);
  if (!shown.includes(job)) return; // Cleared meanwhile.
  if (outcome.status === 401 && keysThen < keysGiven) {
    waiting.push(job);
    return;
  }
  view.show(outcome, { file, blob, wanted }, () => again(job));
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
    say(`${file.name}: ${inWords(outcome, blob)}`);
  }
  summarise();
}

/** With the options as they are now. @param {Job} job */
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
  say("The server asks for an API key.");
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
    // The same file again is a change too.
    input.value = "";
  });
}

// Anywhere: beside the place for it, a dropped image would else replace the page.
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
