/** Uses the page /pictures in Chromium, served by the built Worker with a labelled bucket. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { audit } from "../support/browser/audit.ts";
import { launchChromium } from "../support/browser/chromium.ts";
import { drain, labelAll, type PicturesWorker, startPictures } from "../support/pictures/pictures-worker.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const key = "a-key-0123456789abcdef";
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const hostile = `<img src=x onerror="document.title='hacked'">/ü?#&"'.jpg`;
/** More than two pages of the grid. */
const teapots = 100;

let bench: PicturesWorker;
let browser: Browser;
let page: Page;
/** Errors and warnings in the browser's console. */
let complaints: string[];

beforeAll(async () => {
  [browser, bench] = await Promise.all([
    launchChromium(),
    startPictures({ vars: { KEEP_FEATURES: "true" } }),
  ]);
  const teapot = await sharp(await exampleImage("teapot"))
    .resize(160)
    .jpeg()
    .toBuffer();
  const ladybug = await exampleImage("ladybug");
  for (let i = 0; i < teapots; i++) {
    await bench.pictures.put(`pots/${String(i).padStart(3, "0")}.jpg`, new Uint8Array([...teapot, i]));
  }
  await bench.pictures.put(hostile, ladybug);
  await bench.pictures.put("notes.txt", "text");
  await labelAll(bench);
  await drain(bench);
});
afterAll(async () => {
  await browser?.close();
  await bench?.worker.close();
});
afterEach(() => page.context().close());

async function open(
  search = "",
  options: BrowserContextOptions = {},
  url: URL = bench.worker.url,
): Promise<void> {
  page = await (await browser.newContext(options)).newPage();
  complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(new URL(`/pictures${search}`, url).href);
}

const tiles = () => page.locator("#grid .tile");
const filter = (text: string) => page.locator(".filter", { hasText: text });
const title = () => page.locator("#grid-title").textContent();
const dialog = () => page.locator("#detail");

describe("a visitor", () => {
  test("sees the progress, the labels with their counts, and pictures; more come while scrolling", async () => {
    await open();
    await tiles().first().waitFor();
    expect(await page.locator("#progress-text").textContent()).toBe("101 labelled · 1 not labelled");
    expect(await page.locator("#labels .filter").first().textContent()).toBe("All pictures102");
    expect(await filter("teapot").textContent()).toBe(`teapot${teapots}`);
    await tiles().first().locator("img").waitFor();
    await page.waitForFunction(() => document.querySelectorAll("#grid .tile").length < 102);
    for (let i = 0; i < 5; i++) await page.mouse.wheel(0, 4000).then(() => page.waitForTimeout(150));
    await page.waitForFunction(() => document.querySelectorAll("#grid .tile").length === 102);
    expect(await page.locator("#more").isVisible()).toBe(false);
    expect(await page.locator("#notice").isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  test("filters by label and score; the address keeps the filter, and Back undoes it", async () => {
    await open();
    await filter("teapot").click();
    await page.waitForFunction(() => document.querySelector("#grid-title")?.textContent === "teapot");
    expect(new URL(page.url()).searchParams.get("label")).toBe("teapot");
    expect(await filter("teapot").getAttribute("aria-pressed")).toBe("true");
    await page.locator("#min-score").focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForURL(/min_score=0.05/);
    await page.goBack();
    await page.goBack();
    await page.waitForFunction(() => document.querySelector("#grid-title")?.textContent === "All pictures");
    await open("?label=teapot&min_score=0.5");
    await tiles().first().waitFor();
    expect([await title(), await page.locator("#min-score-text").textContent()]).toEqual(["teapot", "50%"]);
  });

  test("opens a picture with its scores and similar pictures, and moves on to one of them", async () => {
    await open("?label=teapot");
    await tiles().first().click();
    await page.locator("#similar .tile").first().waitFor();
    expect(await dialog().locator(".bars li").count()).toBe(5);
    expect(await page.locator("#similar-text").textContent()).toContain(`with ${teapots} pictures`);
    expect(await page.locator("#similar .tile").count()).toBe(12);
    const next = await page.locator("#similar .tile-key").first().textContent();
    await page.locator("#similar .tile").first().click();
    await page.waitForFunction(
      (wanted) => document.querySelector("#detail dd")?.textContent === wanted,
      next,
    );
  });

  test("sees failures with their reason", async () => {
    await open();
    await filter("unsupported image").click();
    await page.waitForFunction(() => document.querySelectorAll("#grid .tile").length === 1);
    await tiles().first().click();
    expect(await dialog().locator(".facts").textContent()).toContain("The body is text");
    expect(await page.locator("#similar-title").isVisible()).toBe(false);
  });

  test("sees a hostile key as text", async () => {
    await open("?label=ladybug");
    await tiles().first().locator("img").waitFor();
    expect(await page.locator(".tile-key").first().textContent()).toBe(hostile);
    await tiles().first().click();
    await dialog().locator(".large img").waitFor();
    expect(await dialog().locator("dd").first().textContent()).toBe(hostile);
    expect(await page.title()).toBe("Pictures: edge-resnet");
    expect(complaints).toEqual([]);
  });

  test("uses it with the keyboard alone", async () => {
    await open("?label=ladybug");
    await tiles().first().waitFor();
    await tiles().first().focus();
    await page.keyboard.press("Enter");
    await dialog().locator(".bars li").first().waitFor();
    expect(
      await page.evaluate(() => document.querySelector("#detail")?.contains(document.activeElement)),
    ).toBe(true);
    await page.keyboard.press("Escape");
    expect(await dialog().isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.className)).toBe("tile");
  });

  test("sees new pictures on request", async () => {
    await open("?code=unsupported_image");
    await tiles().first().waitFor();
    await bench.pictures.put("notes2.txt", "text");
    await labelAll(bench);
    await page.locator("#news").click({ timeout: 20_000 });
    await page.waitForFunction(() => document.querySelectorAll("#grid .tile").length === 2);
    await bench.pictures.delete("notes2.txt");
    await labelAll(bench);
    await drain(bench);
  });
});

describe.each([
  ["a desktop", { colorScheme: "light" }],
  ["a dark desktop", { colorScheme: "dark" }],
  ["a phone", phone],
] as const)("on %s", (_, options) => {
  test("axe finds nothing, and nothing scrolls sideways", async () => {
    await open("?label=teapot", options);
    await tiles().first().locator("img").waitFor();
    expect((await audit(page)).findings).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
    await tiles().first().click();
    await page.locator("#similar .tile").first().scrollIntoViewIfNeeded();
    await page.locator("#similar .tile img").first().waitFor();
    expect((await audit(page)).findings).toEqual([]);
  });
});

test("on a phone, the controls are large enough for a finger", async () => {
  await open("", phone);
  await tiles().first().waitFor();
  for (const control of [filter("teapot"), page.locator("#min-score"), tiles().first()]) {
    expect((await control.boundingBox())!.height).toBeGreaterThanOrEqual(44);
  }
});

describe("a Worker", () => {
  let other: TestWorker | undefined;
  afterEach(async () => {
    await other?.close();
    other = undefined;
  });

  test("with keys asks for one, and sends it with the thumbnails", async () => {
    const locked = await startPictures({ vars: { API_KEYS: key } });
    other = locked.worker;
    await locked.pictures.put("a.jpg", await exampleImage("teapot"));
    await locked.queue.send({ type: "label", key: "a.jpg" });
    await drain(locked);
    await open("", {}, other.url);
    await page.locator("#key").fill(key);
    await page.keyboard.press("Enter");
    await tiles().first().locator("img").waitFor();
    expect(await tiles().count()).toBe(1);
  });

  test("without a bucket says what to do", async () => {
    other = await TestWorker.start();
    await open("", {}, other.url);
    await page.locator("#notice").waitFor();
    expect(await page.locator("#notice-title").textContent()).toBe("This Worker does not label a bucket");
    expect(await page.locator("#notice-text").textContent()).toContain("wrangler.toml");
    expect((await audit(page)).findings).toEqual([]);
  });

  test("with an empty bucket says how to begin", async () => {
    other = (await startPictures()).worker;
    await open("", {}, other.url);
    await page.locator("#grid-empty").waitFor();
    expect(await page.locator("#grid-empty").textContent()).toContain("npm run bucket -- import");
  });
});
