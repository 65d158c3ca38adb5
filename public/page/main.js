/** The page: sends each picture to the Worker, one after the other, and shows a card for each. */
import { classify, getClasses, getHeads, getModel, useKey } from "./api.js";
import { nameOf, newCard } from "./card.js";
import { showClasses } from "./classes.js";
import { isReadable, smallJpeg } from "./convert.js";
import { byId, element, percent } from "./elements.js";
import { problemText } from "./problems.js";

/** @typedef {import("./api.js").Source} Source */

/**
 * A picture on the page.
 * @typedef {object} Job
 * @property {Source} source
 * @property {ReturnType<typeof newCard>} view
 * @property {Omit<import("./card.js").Shown, "top" | "preprocessing"> | undefined} result the latest one
 */

/** Classes to ask for: the most that the page can show, so that another choice needs no other request. */
const mostClasses = 10;

const results = byId("results", HTMLElement);
const cards = byId("cards", HTMLOListElement);
const live = byId("live", HTMLElement);
const keyForm = byId("key-form", HTMLFormElement);
const drop = byId("drop", HTMLElement);
const topSelect = byId("top", HTMLSelectElement);
const headSelect = byId("head", HTMLSelectElement);
const paste = byId("paste", HTMLButtonElement);

/** @type {Job[]} */
const waiting = [];
/** Jobs that wait for an API key. @type {Job[]} */
let locked = [];
/** @type {Job[]} */
let shown = [];
let working = false;
/** Number of keys entered so far. A refusal of a replaced key is ignored. */
let keysGiven = 0;
/** The live model. @type {Awaited<ReturnType<typeof getModel>>["body"]} */
let model;
/** Classes of the chosen head, or of the model. @type {number | undefined} */
let classCount;
let described = describe();

/** @param {readonly Source[]} sources */
function add(sources) {
  if (sources.length === 0) return;
  for (const source of sources) {
    /** @type {Job} */
    const job = { source, result: undefined, view: newCard(source, () => again(job)) };
    job.view.wait();
    cards.prepend(job.view.card);
    shown.push(job);
    waiting.push(job);
  }
  showWhetherAnswered();
  // The newest card is the first one, near the top of the page.
  scrollTo(0, 0);
  void work();
}

/** @param {Iterable<File>} files */
function addFiles(files) {
  add([...files].map((file) => ({ file })));
}

/** @param {string} text */
function addUrl(text) {
  const url = text.trim();
  if (/^https?:\/\/\S+$/i.test(url) && URL.canParse(url)) add([{ url }]);
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
  const { source } = job;
  const keysThen = keysGiven;
  const { sent, options, outcome } = await send(source);
  if (!shown.includes(job)) return; // The user has cleared the page.
  if (options.head !== headSelect.value || (outcome.status === 401 && keysThen < keysGiven)) {
    waiting.push(job);
    return;
  }
  if (outcome.answer && outcome.answer.model.version !== model?.version) {
    described = describe();
    await described;
  }
  job.result = { outcome, sent, options };
  render(job);
  const name = nameOf(source);
  if (outcome.answer) {
    const { predictions, confident } = outcome.answer;
    const [best] = predictions;
    say(
      `${name}: ${confident === false ? "not sure, perhaps " : ""}${best?.label}, ${percent(best?.score ?? 0)}`,
    );
  } else if (outcome.status === 401) {
    locked.push(job);
    askForKey();
  } else {
    say(`${name}: ${problemText(outcome, source)}`);
  }
  summarise();
}

/**
 * Sends a picture in a form that the Worker reads.
 * @param {Source} source
 */
async function send(source) {
  await described;
  const options = {
    topK: classCount === undefined ? undefined : Math.min(mostClasses, classCount),
    head: headSelect.value,
  };
  if ("url" in source) return { sent: source.url, options, outcome: await classify(source.url, options) };
  const { file } = source;
  // A file that has been moved or is a folder cannot be read. Sending it then reports the problem.
  const isReady = await isReadable(file).catch(() => false);
  const sent = isReady ? file : ((await smallJpeg(file)) ?? file);
  const outcome = await classify(sent, options);
  const small = outcome.problem?.code === "image_too_large" && sent === file && (await smallJpeg(file));
  return small
    ? { sent: small, options, outcome: await classify(small, options) }
    : { sent, options, outcome };
}

/** @param {Job} job */
function render({ view, result }) {
  if (result) view.show({ ...result, top: Number(topSelect.value), preprocessing: model?.preprocessing });
}

/** Sends a picture again. @param {Job} job */
function again(job) {
  job.result = undefined;
  job.view.wait();
  summarise();
  waiting.push(job);
  void work();
}

function summarise() {
  const ended = shown.flatMap(({ result }) => (result ? [result.outcome] : []));
  const answered = ended.filter(({ answer }) => answer).length;
  const refused = ended.filter(({ answer, status }) => !answer && status !== 401).length;
  byId("summary", HTMLElement).textContent =
    `${answered} answered${refused > 0 ? `, ${refused} refused` : ""}`;
}

/** @param {string} text */
function say(text) {
  live.textContent = text;
}

/** Tells what the user asked for and did not get. @param {string} text */
function notify(text) {
  byId("notice", HTMLElement).textContent = text;
}

function askForKey() {
  keyForm.hidden = false;
  byId("key", HTMLInputElement).focus();
  say("The server requires an API key.");
}

/** Shows the model, its classes and its heads. */
async function describe() {
  const { status, body } = await getModel();
  if (status === 401) askForKey();
  model = body;
  if (!model) return;
  await Promise.all([describeClasses(), describeHeads()]);
  const version = element("code", "", model.version);
  byId("model", HTMLElement).replaceChildren("Model ", model.name, " ", version);
}

async function describeClasses() {
  const asked = headSelect.value;
  const { body } = await getClasses(asked);
  if (asked !== headSelect.value) return;
  classCount = body?.labels.length;
  if (body) showClasses(body.labels);
}

/** Offers the heads that fit the live model. */
async function describeHeads() {
  const { body } = await getHeads();
  if (!body) return;
  const fitting = body.heads.filter(({ backbone }) => backbone.version === body.model.version);
  const chosen = headSelect.value;
  headSelect.replaceChildren(
    new Option("none", ""),
    ...fitting.map(({ name }) => new Option(name, name, false, name === chosen)),
  );
  for (const id of ["head-option", "head-help"]) byId(id, HTMLElement).hidden = fitting.length === 0;
  byId("more-heads", HTMLElement).hidden = !body.truncated;
}

topSelect.addEventListener("change", () => {
  for (const job of shown) render(job);
});

headSelect.addEventListener("change", () => {
  classCount = undefined;
  described = describeClasses();
  for (const job of shown) if (job.result) again(job);
});

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("key", HTMLInputElement);
  useKey(input.value.trim());
  keysGiven++;
  input.value = "";
  keyForm.hidden = true;
  described = describe();
  waiting.push(...locked);
  locked = [];
  void work();
});

for (const id of ["pick", "camera"]) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener("change", () => {
    addFiles(input.files ?? []);
    // Without this, choosing the same file again would not be a change.
    input.value = "";
  });
}

for (const sample of document.querySelectorAll("[data-sample]")) {
  const path = sample.getAttribute("data-sample") ?? "";
  sample.addEventListener("click", async () => {
    try {
      const blob = await (await fetch(path)).blob();
      const file = new File([blob], path.split("/").at(-1) ?? "", { type: blob.type });
      add([{ file, sample: path }]);
    } catch {
      notify("The sample cannot be loaded. Check your connection.");
    }
  });
}

// Accept drops anywhere. Otherwise a picture dropped outside the drop area would replace the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", () => drop.classList.remove("over"));
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const { files } = event.dataTransfer ?? {};
  if (files && files.length > 0) addFiles(files);
  else addUrl(event.dataTransfer?.getData("text/uri-list") ?? "");
});

window.addEventListener("paste", (event) => {
  if (event.target instanceof HTMLInputElement) return;
  const { files } = event.clipboardData ?? {};
  if (files && files.length > 0) addFiles(files);
  else addUrl(event.clipboardData?.getData("text/plain") ?? "");
});

// Browsers let pages read the clipboard over HTTPS only.
paste.hidden = navigator.clipboard?.read === undefined;
paste.addEventListener("click", async () => {
  notify("");
  const before = shown.length;
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((each) => each.startsWith("image/"));
      if (type) addFiles([new File([await item.getType(type)], "pasted picture", { type })]);
      else if (item.types.includes("text/plain")) addUrl(await (await item.getType("text/plain")).text());
    }
    if (shown.length === before) notify("The clipboard has no picture and no address of one.");
  } catch {
    notify("The browser did not allow the page to read the clipboard.");
  }
});

byId("clear", HTMLButtonElement).addEventListener("click", () => {
  for (const { view } of shown) view.dispose();
  waiting.length = 0;
  locked = [];
  shown = [];
  showWhetherAnswered();
  byId("pick", HTMLInputElement).focus();
});
