/** Uses the pages at / and /docs in Chromium, served by the built Worker. */
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { randomHead } from "../../cli/head/random-head.ts";
import { audit } from "../support/browser/audit.ts";
import { launchChromium } from "../support/browser/chromium.ts";
import { seedHeads } from "../support/head.ts";
import { Origin } from "../support/origin.ts";
import { exampleImage, servedModel, servedPack, TestWorker } from "../support/worker.ts";

const run = promisify(execFile);
const images = path.join(import.meta.dirname, "..", "..", "examples", "images");
const teapot = path.join(images, "teapot.jpg");
const folder = path.join(import.meta.dirname, "..", "..", "public");
const key = "a-key-0123456789abcdef";
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const maxImageBytes = 300_000;

let origin: Origin;
/** Has one head, and may fetch pictures from `origin`. */
let worker: TestWorker;
let browser: Browser;
/** Errors and warnings in the browser's console. */
let complaints: string[];
let requests: string[];
let page: Page;

beforeAll(async () => {
  origin = await Origin.start();
  const vars = { ALLOWED_IMAGE_HOSTS: origin.host, MAX_IMAGE_BYTES: maxImageBytes };
  [browser, worker] = await Promise.all([launchChromium(), TestWorker.start({ vars })]);
  const { manifest } = await servedPack();
  const backbone = { name: servedModel, version: manifest.version };
  const of = (name: string, version: string) =>
    randomHead({
      ...{ name, seed: 1, featureSize: manifest.feature_size },
      backbone: { ...backbone, version },
    });
  await seedHeads(worker.bucket, await of("pets", manifest.version));
  await seedHeads(worker.bucket, await of("stale", "0".repeat(16)));
});
afterAll(async () => {
  await browser?.close();
  await worker?.close();
  await origin?.close();
});
afterEach(() => page.context().close());

async function open(pathname = "/", options: BrowserContextOptions = {}, url = worker.url): Promise<void> {
  const context = await browser.newContext({
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  page = await context.newPage();
  complaints = [];
  requests = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(new URL(pathname, url).href);
}

/** Opens the page and waits until it shows the model. */
async function openReady(options: BrowserContextOptions = {}): Promise<void> {
  await open("/", options);
  await page.locator("#model:not(:empty)").waitFor();
}

interface Given {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Dispatches the event of files or a text that are dropped on the page or pasted. */
async function give(event: "drop" | "paste", given: readonly Given[] | string): Promise<void> {
  const data =
    typeof given === "string"
      ? given
      : given.map(({ name, type, bytes }) => [name, type, Buffer.from(bytes).toString("base64")] as const);
  await page.evaluate(
    ([kind, list]) => {
      const transfer = new DataTransfer();
      if (typeof list === "string") transfer.setData("text/plain", list);
      else {
        for (const [name, type, base64] of list) {
          const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
          transfer.items.add(new File([bytes], name, { type }));
        }
      }
      const event =
        kind === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
      (document.querySelector(kind === "drop" ? "#drop" : "body") ?? document).dispatchEvent(event);
    },
    [event, data] as const,
  );
}

const jpeg = async (name: string): Promise<Given> => ({
  name: `${name}.jpg`,
  type: "image/jpeg",
  bytes: await exampleImage(name),
});
const text = { name: "notes.txt", type: "text/plain", bytes: new TextEncoder().encode("hello") };
const card = (index = 0) => page.locator(".card").nth(index);
const best = (index = 0) => card(index).locator(".best");
const label = (index = 0) => best(index).locator("span").first();
const labels = () => card().locator(".label").allTextContents();
const summary = () => page.locator("#summary").textContent();
const live = () => page.locator("#live").textContent();
const fact = (term: string) => card().locator(`dt:text-is("${term}") + dd`).textContent();
const scrollWidth = () => page.evaluate(() => document.documentElement.scrollWidth);
const classifications = () => requests.filter((url) => url.includes("/v1/classify"));

/** Waits for a card with a problem, and returns its text. */
async function problem(index = 0): Promise<string> {
  await card(index).locator(".problem").waitFor();
  return (await card(index).locator(".problem strong, .problem .detail").allTextContents()).join(" | ");
}

describe("a visitor", () => {
  test("first sees samples and the groups of classes, and no settings; a sample shows its class at a click", async () => {
    await openReady();
    expect(await page.locator("h1").textContent()).toContain("image classifier");
    expect(await page.locator("#classes-count").textContent()).toBe("200 classes");
    const groups = page.locator("#classes .chip");
    expect((await groups.allTextContents())[0]).toBe("Fish and sea animals 7");
    await groups.first().click();
    expect(await page.locator("#group-panel li").allTextContents()).toContain("goldfish");
    expect(await groups.first().getAttribute("aria-expanded")).toBe("true");
    expect(await page.locator("select:visible").count()).toBe(0);
    for (const name of ["jellyfish", "teapot", "ladybug"]) {
      await page.getByRole("button", { name: `Classify the ${name}` }).click();
      await page.locator(".best", { hasText: name }).waitFor();
    }
    expect(await live()).toMatch(/^ladybug.jpg: ladybug, >?\d\d(\.\d)?%$/);
    expect(await summary()).toBe("3 answered");
    expect(complaints).toEqual([]);
    expect(
      requests.filter((url) => !url.startsWith("blob:") && new URL(url).origin !== worker.url.origin),
    ).toEqual([]);
  });

  test("sees three bars and, in the details, the facts and stages; “Top” changes the cards that are there", async () => {
    await openReady();
    await give("drop", [await jpeg("teapot")]);
    expect(await best().textContent()).toMatch(/^teapot >?\d\d(\.\d)?%$/);
    const widths = await card()
      .locator(".bars .fill")
      .evaluateAll((fills) => fills.map((fill) => Number.parseFloat((fill as HTMLElement).style.width)));
    expect(widths).toHaveLength(3);
    expect(widths[0]!).toBeGreaterThan(10 * widths[2]!);
    await card().locator("summary").click();
    expect(await fact("Answer")).toMatch(/^(MISS|HIT), /);
    expect(await fact("SHA-256")).toMatch(/^[0-9a-f]{64}$/);
    expect(await fact("Model")).toContain(servedModel);
    // The total is the scale of the waterfall, not a stage.
    expect(await card().locator(".stages").textContent()).toMatch(/\d ms/);
    expect(await card().locator(".stages").textContent()).not.toContain("total");
    await page.locator("#top").selectOption("10");
    expect(await labels()).toHaveLength(10);
    await page.locator("#top").selectOption("1");
    expect(await labels()).toEqual(["teapot"]);
    expect(classifications()).toHaveLength(1);
    expect(await card().locator("pre").textContent()).toContain("top_k=1");
    await give("drop", [await jpeg("teapot")]);
    await best(1).waitFor();
    expect(await fact("Answer")).toContain("HIT, from the cache");
  });

  test("sees which part of the picture the model saw", async () => {
    await openReady();
    await give("drop", [await jpeg("teapot")]);
    await card().locator(".seen").waitFor();
    const [seen, frame] = await Promise.all([
      card().locator(".seen").boundingBox(),
      card().locator(".frame").boundingBox(),
    ]);
    const { preprocessing } = (await servedPack()).manifest;
    const side = (frame!.height * preprocessing.crop) / preprocessing.size;
    expect(frame!.width / frame!.height).toBeCloseTo(4 / 3, 1);
    expect(Math.abs(seen!.width - side)).toBeLessThan(1.5);
    expect(Math.abs(seen!.height - side)).toBeLessThan(1.5);
    expect(Math.abs(seen!.x - frame!.x - (frame!.width - side) / 2)).toBeLessThan(1.5);
    expect(Math.abs(seen!.y - frame!.y - (frame!.height - side) / 2)).toBeLessThan(1.5);
    // As text, because Vite would rewrite the import.
    const parts = await page.evaluate(`import("/page/card.js").then(({ seenPart }) => [
      seenPart({ resize: "shortest-edge", size: 96, crop: 96 }, { width: 400, height: 100 }),
      seenPart({ resize: "shortest-edge", size: 256, crop: 224 }, { width: 100, height: 200 }),
      seenPart({ resize: "stretch", size: 96, crop: 96 }, { width: 400, height: 100 }),
    ])`);
    expect(parts).toEqual([
      { width: 0.25, height: 1 },
      { width: 0.875, height: 0.4375 },
      { width: 1, height: 1 },
    ]);
  });

  test("is told when the model is not sure", async () => {
    await openReady();
    await page.route("**/v1/classify*", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), confident: false } });
    });
    await give("paste", [await jpeg("ladybug")]);
    expect(await best().textContent()).toMatch(/^not sure: perhaps ladybug >?\d/);
    expect(await live()).toMatch(/^ladybug.jpg: not sure, perhaps ladybug, >?\d/);
  });

  test("of a model without groups sees its first classes, be they 2 or 1000", async () => {
    await open();
    const items = page.locator("#classes li");
    for (const count of [2, 1000]) {
      const names = Array.from({ length: count }, (_, i) => ({ index: i, id: `n${i}`, label: `class ${i}` }));
      await page.route("**/v1/labels*", (route) => route.fulfill({ json: { labels: names } }));
      await page.reload();
      await page.locator("#model:not(:empty)").waitFor();
      expect(await items.count()).toBe(Math.min(count, 25));
      await give("drop", [await jpeg("teapot")]);
      await best().waitFor();
      expect(classifications().at(-1)).toContain(`top_k=${Math.min(count, 10)}`);
    }
    await page.getByRole("button", { name: "and 976 more" }).click();
    expect(await items.count()).toBe(1000);
  });

  test("chooses one of the heads that fit the model; it answers for the cards that are there", async () => {
    await openReady();
    await give("drop", [await jpeg("teapot"), await jpeg("ladybug")]);
    await best(1).waitFor();
    expect(await page.locator("#head option").allTextContents()).toEqual(["none", "pets"]);
    expect(await page.locator("#head-help").textContent()).toContain("A head is");
    expect(await page.getByText("This list shows the first of them").isVisible()).toBe(false);
    await page.getByLabel("Head").selectOption("pets");
    await page.locator(".best", { hasText: "pets 1" }).nth(1).waitFor();
    expect(await labels()).toHaveLength(3);
    expect(await page.locator("#classes-count").textContent()).toBe("3 classes");
    await page.getByLabel("Head").selectOption("");
    await page.locator(".best", { hasText: "teapot" }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("is told when there are more heads than the list shows", async () => {
    await open();
    await page.route("**/v1/heads", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), truncated: true } });
    });
    await page.reload();
    await give("drop", [await jpeg("teapot")]);
    await best().waitFor();
    expect(await page.getByText("This list shows the first of them").isVisible()).toBe(true);
  });

  test("with only a keyboard can classify a picture and clear the page", async () => {
    await openReady();
    // Listen early, because Chromium starts listening a moment later.
    const chosen = page.waitForEvent("filechooser");
    chosen.catch(() => {});
    const focused = () =>
      page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());
    const order: (string | null | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press("Tab");
      order.push(await focused());
    }
    expect(order).toEqual(["Skip to the content", "edge-resnet", "API reference", "pick", "paste"]);
    await page.locator("#pick").focus();
    await page.keyboard.press("Enter");
    await (await chosen).setFiles(teapot);
    expect(await label().textContent()).toBe("teapot");
    await page.locator("#clear").focus();
    await page.keyboard.press("Enter");
    expect(await page.locator(".card").count()).toBe(0);
    expect(await focused()).toBe("pick");
    expect(complaints).toEqual([]);
  });

  test.each([
    ["light", "desktop", {}],
    ["dark", "phone", phone],
  ] as const)("meets nothing that axe-core finds, in %s mode on a %s", async (colorScheme, _, device) => {
    await openReady({ colorScheme, reducedMotion: "reduce", ...device });
    await page.locator("#classes .chip").first().click();
    expect((await audit(page)).findings).toEqual([]);
    await give("drop", [await jpeg("teapot"), text]);
    await best(1).waitFor();
    await problem();
    for (const summary of await page.locator("summary").all()) await summary.click();
    const { passes, findings } = await audit(page);
    expect(passes).toBeGreaterThan(15);
    expect(findings).toEqual([]);
  });

  test("on a phone sees the answer near the top, nothing about dropping, and no sideways scrolling", async () => {
    await openReady(phone);
    const words = () => page.locator("body").innerText();
    expect(await words()).not.toMatch(/\bdrop\b|ctrl/i);
    expect(await page.getByText("Take a photo").isVisible()).toBe(true);
    await page.evaluate(() => scrollTo(0, 400));
    await page.locator("#pick").setInputFiles({
      name: `${"a-very-long-name-".repeat(8)}.jpg`,
      mimeType: "image/jpeg",
      buffer: Buffer.from(await exampleImage("teapot")),
    });
    await best().waitFor();
    const [answer, picture] = await Promise.all([best().boundingBox(), card().locator("img").boundingBox()]);
    expect(answer!.y + answer!.height).toBeLessThan(400);
    expect(answer!.x).toBeGreaterThan(picture!.x + picture!.width);
    for (const summary of await page.locator("summary").all()) await summary.click();
    expect(await words()).not.toMatch(/\bdrop\b|ctrl/i);
    expect(await scrollWidth()).toBe(390);
  });
});

describe("a picture", () => {
  test("is upright as its Exif says; PNG, WebP and GIF are sent as they are, and AVIF or what is too large as a small JPEG", async () => {
    await openReady();
    let cards = 1;
    const turned = await sharp(teapot).rotate(-90).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    await give("drop", [{ name: "turned.jpg", type: "image/jpeg", bytes: turned }]);
    expect(await label().textContent()).toBe("teapot");
    expect(await fact("Picture")).toBe("1200 × 900 pixels, sent unchanged");
    const frame = await card().locator(".frame").boundingBox();
    expect(frame!.width / frame!.height).toBeCloseTo(4 / 3, 1);
    const small = sharp(teapot).resize(400);
    for (const format of ["png", "webp", "gif"] as const) {
      const bytes = await small.clone().toFormat(format).toBuffer();
      // The type is wrong on purpose: the bytes count.
      await give("paste", [{ name: `teapot.${format}`, type: "image/heic", bytes }]);
      await best(cards++).waitFor();
      expect(await label().textContent()).toBe("teapot");
      expect(await fact("Picture")).toBe("400 × 300 pixels, sent unchanged");
    }
    const avif = await sharp(teapot).avif({ effort: 0 }).toBuffer();
    await give("paste", [{ name: "teapot.avif", type: "image/avif", bytes: avif }]);
    await best(cards++).waitFor();
    expect(await label().textContent()).toBe("teapot");
    expect(await fact("Picture")).toMatch(/^683 × 512 pixels, sent as a JPEG of \d+ kB$/);
    expect(await card().locator("pre").count()).toBe(0);
    // Each was sent once.
    expect(classifications()).toHaveLength(cards);
    expect(complaints).toEqual([]);
    const large = sharp(teapot).resize(2000, 1500);
    for (const bytes of [
      await large.clone().jpeg({ quality: 98 }).toBuffer(),
      await large.clone().webp({ quality: 98, effort: 0 }).toBuffer(),
    ]) {
      expect(bytes.length).toBeGreaterThan(maxImageBytes);
      await give("drop", [{ name: "large", type: "", bytes }]);
      await best(cards++).waitFor();
      expect(await label().textContent()).toBe("teapot");
      expect(await fact("Picture")).toMatch(/^683 × 512 pixels, sent as a JPEG of/);
    }
  });

  test("that is none, is empty or is broken gets a message and no advice that cannot help", async () => {
    await openReady();
    const empty = { name: "empty.jpg", type: "image/jpeg", bytes: new Uint8Array(0) };
    await give("drop", [
      text,
      empty,
      { ...(await jpeg("teapot")), bytes: (await exampleImage("teapot")).slice(0, 500) },
    ]);
    expect(await problem(2)).toMatch(
      /^This is not a picture .* \| The body is text; expected a JPEG.*415 unsupported_image$/,
    );
    expect(await problem(1)).toMatch(/^This file is empty/);
    expect(await problem(0)).toMatch(/^This picture is damaged/);
    expect(await card(1).locator(".file").textContent()).toBe("empty.jpg0 bytes");
    expect(await page.getByRole("button", { name: /Try again/ }).count()).toBe(0);
    expect(await summary()).toBe("0 answered, 3 refused");
  });

  test("is sent again at a click after the server was busy, behind a broken proxy or unreachable", async () => {
    await openReady();
    const busy = { code: "overloaded", detail: "64 requests wait." };
    await page.route("**/v1/classify*", (route) =>
      route.fulfill({ status: 503, headers: { "Retry-After": "2" }, json: busy }),
    );
    await give("drop", [await jpeg("teapot")]);
    expect(await problem()).toBe(
      "The server is busy. Try again in 2 s. | 64 requests wait. · 503 overloaded",
    );
    await page.unroute("**/v1/classify*");
    await page.route("**/v1/classify*", (route) =>
      route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }),
    );
    await give("drop", [await jpeg("teapot")]);
    await page.locator(".problem").nth(1).waitFor();
    expect(await problem()).toMatch(/^The server cannot respond right now.*502 no_json$/);
    await page.unroute("**/v1/classify*");
    await page.context().setOffline(true);
    await give("drop", [await jpeg("teapot")]);
    await page.locator(".problem").nth(2).waitFor();
    expect(await problem()).toMatch(/^The server did not respond. Check your connection/);
    expect(await summary()).toBe("0 answered, 3 refused");
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again: teapot.jpg" }).first().click();
    expect(await label().textContent()).toBe("teapot");
    const isFocused = (answer: Element) => answer === document.activeElement;
    expect(await card().locator(".answer").evaluate(isFocused)).toBe(true);
    expect(await summary()).toBe("1 answered, 2 refused");
  });

  test("has a curl command that gives the same predictions, also a sample; it is selected if it cannot be copied", async () => {
    await openReady();
    await give("drop", [await jpeg("teapot")]);
    await card().locator("summary").click();
    await card().getByRole("button", { name: "Copy" }).click();
    await card().getByRole("button", { name: "Copied" }).waitFor();
    const line = await page.evaluate(() => navigator.clipboard.readText());
    const answerOf = async (command: string) => {
      const { stdout } = await run("sh", ["-c", command], { cwd: images });
      return (JSON.parse(stdout) as { predictions: { label: string }[] }).predictions.map((p) => p.label);
    };
    expect(await answerOf(line)).toEqual(await labels());
    await page.getByRole("button", { name: "Classify the ladybug" }).click();
    await best(1).waitFor();
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await card().locator("summary").click();
    await card().getByRole("button", { name: "Copy" }).click();
    await card().getByRole("button", { name: "Selected" }).waitFor();
    expect(await answerOf(await page.evaluate(() => String(getSelection())))).toEqual(await labels());
    expect(complaints).toEqual([]);
  });

  test("is fetched by its address, pasted with the keys or the button, if the Worker allows the host", async () => {
    origin.image("/pictures/teapot.jpg", await exampleImage("teapot"));
    const url = origin.url("/pictures/teapot.jpg");
    await openReady(phone);
    await give("paste", url);
    expect(await label().textContent()).toBe("teapot");
    expect(await card().locator(".title").textContent()).toBe("teapot.jpg");
    // The page names the host and loads nothing from it.
    const address = card().getByRole("link", { name: origin.host });
    expect(await address.getAttribute("href")).toBe(url);
    expect(await address.getAttribute("rel")).toBe("noreferrer");
    expect(requests.filter((each) => each.startsWith(url))).toEqual([]);
    expect((await audit(page)).findings).toEqual([]);
    expect(complaints).toEqual([]);
    await give("paste", "https://elsewhere.example/a.jpg");
    expect(await problem()).toMatch(
      /^This server does not fetch pictures from that address\..* ALLOWED_IMAGE_HOSTS .*403 host_not_allowed$/,
    );
    origin.image("/pictures/teapot.avif", await sharp(teapot).resize(64).avif({ effort: 0 }).toBuffer());
    await give("paste", origin.url("/pictures/teapot.avif"));
    expect(await problem()).toMatch(/save it, then choose the file\. .*415 unsupported_image$/);
    await give("paste", "no address");
    expect(await page.locator(".card").count()).toBe(3);
    await page.evaluate((copied) => navigator.clipboard.writeText(copied), url);
    await page.getByRole("button", { name: "Paste" }).click();
    await best(3).waitFor();
    await page.evaluate(() => navigator.clipboard.writeText("words"));
    await page.getByRole("button", { name: "Paste" }).click();
    await page.getByText("The clipboard has no picture").waitFor();
  });
});

describe("a server with API keys", () => {
  test("serves the page, which asks for a key, keeps it in memory and then classifies the picture", async () => {
    const locked = await TestWorker.start({ vars: { API_KEYS: key } });
    try {
      await open("/", {}, locked.url);
      await page.locator("#key").waitFor();
      // One refusal arrives late, after a key was entered.
      let asked = 0;
      await page.route("**/v1/classify*", async (route) => {
        const response = await route.fetch();
        if (++asked === 2) await page.locator("#key-form[hidden]").waitFor({ state: "attached" });
        await route.fulfill({ response });
      });
      await give("drop", [await jpeg("teapot"), await jpeg("ladybug")]);
      expect(await problem(1)).toContain("requires an API key");
      await page.locator("#key").fill(key);
      await page.keyboard.press("Enter");
      for (const i of [0, 1]) await best(i).waitFor();
      expect(await page.locator(".best > span:first-child").allTextContents()).toEqual(["ladybug", "teapot"]);
      expect(await page.locator("#key-form").isVisible()).toBe(false);
      expect(asked).toBe(4);
      expect(await card().locator("pre").textContent()).toContain('-H "Authorization: Bearer $KEY"');
      // This Worker has no head.
      expect(await page.locator("#head").isVisible()).toBe(false);
      expect(await page.locator("#head-help").isVisible()).toBe(false);
      const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
      expect(kept).toBe('[{},{},""]');
      expect((await locked.get("/v1/heads")).status).toBe(401);
    } finally {
      await locked.close();
    }
  });
});

describe("the served page", () => {
  test("loads and runs only files of this Worker, and cannot send pictures elsewhere", async () => {
    await open();
    for (const pathname of ["/", "/style.css", "/page/main.js", "/favicon.svg", "/samples/teapot.jpg"]) {
      const { status, headers } = await worker.get(pathname);
      expect(status).toBe(200);
      expect(headers.get("Content-Security-Policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.get("Referrer-Policy")).toBe("no-referrer");
    }
    const elsewhere = await page.evaluate(() =>
      fetch("https://example.com/", { method: "POST", body: "image" }).then(
        () => "sent",
        (error: Error) => error.name,
      ),
    );
    expect(elsewhere).toBe("TypeError");
    expect(complaints.some((text) => text.includes("Content Security Policy"))).toBe(true);
  });

  test("has less than 60 KB in all, uncompressed, and samples of at most 40 KB; /pictures adds 30 KB", async () => {
    await open();
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const sizes = await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const file = path.join(parentPath, name);
        const page = path.relative(folder, file).startsWith("pictures") ? "pictures" : "page";
        return { kind: name.endsWith(".jpg") ? "sample" : page, size: (await stat(file)).size };
      }),
    );
    const { sample = [], page: own = [], pictures = [] } = Object.groupBy(sizes, ({ kind }) => kind);
    const sum = (list: typeof sizes) => list.reduce((total, { size }) => total + size, 0);
    expect(sample).toHaveLength(3);
    expect(Math.max(...sample.map(({ size }) => size))).toBeLessThanOrEqual(40_000);
    expect(own.length).toBeGreaterThan(8);
    expect(sum(own)).toBeLessThan(60_000);
    expect(pictures).toHaveLength(6);
    expect(sum(pictures)).toBeLessThan(30_000);
    const html = await readFile(path.join(folder, "index.html"), "utf8");
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});

test("the API reference fits a phone, has this Worker's commands, and leads back to the page", async () => {
  await open("/docs", phone);
  for (const schema of await page.locator("summary").all()) await schema.click();
  expect(await scrollWidth()).toBe(390);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect((await audit(page)).findings).toEqual([]);
  }
  const command = page.locator("#getHeads pre").first();
  expect(await command.textContent()).toBe(`curl '${worker.url.origin}/v1/heads'`);
  await page.getByRole("link", { name: "Try it" }).click();
  await page.locator("#drop").waitFor();
  expect(complaints).toEqual([]);
});
