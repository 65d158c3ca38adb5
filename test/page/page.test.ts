/** Uses the page at / in Chromium, served by the built Worker. */
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { defaultModelName } from "../../src/default-model.ts";
import { audit, seriousOnes } from "../support/browser/audit.ts";
import { launchChromium } from "../support/browser/chromium.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const run = promisify(execFile);
const images = path.join(import.meta.dirname, "..", "..", "examples", "images");
const teapot = path.join(images, "teapot.jpg");
const folder = path.join(import.meta.dirname, "..", "..", "public");
const key = "a-key-0123456789abcdef";

let worker: TestWorker;
let browser: Browser;
/** Errors and warnings in the browser's console. */
let complaints: string[];
let requests: string[];
let page: Page;

beforeAll(async () => {
  [browser, worker] = await Promise.all([launchChromium(), TestWorker.start({ pack: "embedded" })]);
});
afterAll(async () => {
  await browser?.close();
  await worker?.close();
});
afterEach(() => page.context().close());

async function open(url: URL = worker.url, options: BrowserContextOptions = {}): Promise<void> {
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
  await page.goto(url.href);
  await page
    .locator("#model:not(:empty)")
    .waitFor({ timeout: 15_000 })
    .catch(() => {});
}

interface Given {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Dispatches the event of files that are dropped on the page or pasted. */
async function give(event: "drop" | "paste", files: readonly Given[]): Promise<void> {
  const data = files.map(
    ({ name, type, bytes }) => [name, type, Buffer.from(bytes).toString("base64")] as const,
  );
  await page.evaluate(
    ([kind, list]) => {
      const transfer = new DataTransfer();
      for (const [name, type, base64] of list) {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
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
const card = (index = 0) => page.locator(".card").nth(index);
const best = (index = 0) => card(index).locator(".best");
const summary = () => page.locator("#summary").textContent();
const fact = (term: string) => card().locator(`dt:text-is("${term}") + dd`);

describe("an image", () => {
  test("shows its class, bars and facts after a drop; the same image again comes from the cache", async () => {
    await open();
    await give("drop", [await jpeg("teapot")]);
    expect(await best().textContent()).toBe("teapot");
    const rows = card().locator(".classes li");
    expect(await rows.count()).toBe(5);
    const widths = await card()
      .locator(".classes .fill")
      .evaluateAll((fills) => fills.map((fill) => fill.getBoundingClientRect().width));
    expect(widths[0]!).toBeGreaterThan(20 * widths[4]!);
    expect(await fact("Answer").textContent()).toContain("MISS, computed");
    expect(await fact("SHA-256").textContent()).toMatch(/^[0-9a-f]{64}$/);
    expect(await fact("Model").textContent()).toContain(defaultModelName);
    expect(await page.locator("#live").textContent()).toMatch(/^teapot.jpg: teapot, 9\d\.\d%$/);
    await card().locator("summary", { hasText: "Stages" }).click();
    expect(await card().locator(".stages li").allTextContents()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^run\d+\.\d ms$/)]),
    );
    // The total is the scale of the waterfall, not a stage.
    expect(await card().locator(".stages").textContent()).not.toContain("total");

    await give("drop", [await jpeg("teapot")]);
    await card(1).waitFor();
    await fact("Answer").waitFor();
    expect(await fact("Answer").textContent()).toContain("HIT, from the cache");
    expect(await page.locator("#summary").textContent()).toBe("2 answered, 1 from the cache");
    expect(complaints).toEqual([]);
    expect(
      requests.filter((url) => !url.startsWith("blob:") && new URL(url).origin !== worker.url.origin),
    ).toEqual([]);
  });

  test("is classified when pasted; several picked at once each show their own class", async () => {
    await open();
    await give("paste", [await jpeg("ladybug")]);
    expect(await best().textContent()).toBe("ladybug");
    await page
      .locator("#pick")
      .setInputFiles(["teapot", "jellyfish", "espresso"].map((name) => path.join(images, `${name}.jpg`)));
    await page.locator(".best").nth(3).waitFor();
    expect(await page.locator(".best").allTextContents()).toEqual([
      "espresso",
      "jellyfish",
      "teapot",
      "ladybug",
    ]);
    expect(complaints).toEqual([]);
  });

  test("that is no image shows a message and the server's detail", async () => {
    await open();
    await give("drop", [{ name: "notes.txt", type: "text/plain", bytes: new TextEncoder().encode("hello") }]);
    const problem = card().locator(".problem");
    expect(await problem.locator("strong").textContent()).toBe(
      "This file is not an image that the server can read.",
    );
    expect(await problem.locator(".detail").textContent()).toMatch(
      /The body is text; expected a JPEG.*415 unsupported_image/,
    );
    expect(await page.locator("#live").textContent()).toContain("notes.txt: This file is not an image");
    // The browser logs the failed request itself.
    expect(complaints).toEqual([expect.stringContaining("415")]);
  });

  test("shows a message when the server is busy, behind a broken proxy or unreachable, and can be sent again", async () => {
    await open();
    const busy = { code: "overloaded", detail: "64 requests wait." };
    await page.route("**/v1/classify*", (route) =>
      route.fulfill({ status: 503, headers: { "Retry-After": "2" }, json: busy }),
    );
    await give("drop", [await jpeg("teapot")]);
    const words = async () =>
      (await card().locator(".problem strong, .problem .detail").allTextContents()).join(" | ");
    await page.locator(".problem").waitFor();
    expect(await words()).toBe("The server is busy. Try again in 2 s. | 64 requests wait. · 503 overloaded");
    await page.unroute("**/v1/classify*");
    await page.route("**/v1/classify*", (route) =>
      route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }),
    );
    await give("drop", [await jpeg("teapot")]);
    await page.locator(".problem").nth(1).waitFor();
    expect(await words()).toMatch(/^The server cannot respond right now.*502 no_json$/);
    await page.unroute("**/v1/classify*");
    await page.context().setOffline(true);
    await give("drop", [await jpeg("teapot")]);
    await page.locator(".problem").nth(2).waitFor();
    expect(await words()).toMatch(/^The server did not respond. Check your connection/);
    expect(await summary()).toBe("0 answered, 0 from the cache; 3 refused");
    // When the server is reachable again, one click sends the same image.
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again: teapot.jpg" }).first().click();
    expect(await best().textContent()).toBe("teapot");
    expect(
      await card()
        .locator(".answer")
        .evaluate((answer) => answer === document.activeElement),
    ).toBe(true);
    expect(await summary()).toMatch(/^1 answered, [01] from the cache; 2 refused$/);
  });

  test("in another format is refused with a hint, and classified once the browser converts it to JPEG", async () => {
    await open();
    const png = { name: "teapot.png", type: "image/png", bytes: await sharp(teapot).png().toBuffer() };
    await give("drop", [png]);
    expect(await card().locator(".problem strong").textContent()).toContain("Turn on “Shrink first”");
    await page.locator("#shrink").check();
    await card().getByRole("button", { name: "Try again: teapot.png" }).click();
    expect(await best().textContent()).toBe("teapot");
    expect(await summary()).toMatch(/^1 answered, [01] from the cache$/);
  });

  test("that is large is sent unchanged, or far smaller with “Shrink first”", async () => {
    await open();
    const large = await sharp(teapot).resize(4000, 2400).jpeg({ quality: 95 }).toBuffer();
    worker.clearLogs();
    for (const shrunk of [false, true]) {
      await page.locator("#shrink").setChecked(shrunk);
      await give("drop", [{ name: "large.jpg", type: "image/jpeg", bytes: large }]);
      await page
        .locator(".best")
        .nth(shrunk ? 1 : 0)
        .waitFor();
      expect(await best().textContent()).toBe("teapot");
    }
    const sent = (await worker.logs("request"))
      .filter(({ path }) => path === "/v1/classify")
      .map(({ bytes }) => bytes);
    expect(sent).toEqual([large.length, expect.any(Number)]);
    expect(sent[1]).toBeLessThan(large.length / 5);
    expect(await fact("Image").textContent()).toMatch(/853 × 512 pixels, sent as a JPEG of/);
  });

  test("that is rotated by its Exif orientation is upright in the preview and for the model", async () => {
    await open();
    const turned = await sharp(teapot).rotate(-90).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    await give("drop", [{ name: "turned.jpg", type: "image/jpeg", bytes: turned }]);
    expect(await best().textContent()).toBe("teapot");
    expect(await fact("Image").textContent()).toContain("1500 × 900 pixels");
    const shown = await card()
      .locator("img")
      .evaluate((img) => [(img as HTMLImageElement).naturalWidth, (img as HTMLImageElement).naturalHeight]);
    expect(shown).toEqual([1500, 900]);
  });

  test("shows a curl command that gives the same predictions", async () => {
    await open();
    await page.locator("#top-k").selectOption("3");
    await give("drop", [await jpeg("teapot")]);
    await card().locator("summary", { hasText: "curl" }).click();
    await card().locator("button", { hasText: "Copy" }).click();
    await card().locator("button", { hasText: "Copied" }).waitFor();
    const line = await page.evaluate(() => navigator.clipboard.readText());
    const { stdout } = await run("sh", ["-c", `${line} --silent`], { cwd: images });
    const { predictions } = JSON.parse(stdout) as { predictions: { label: string; score: number }[] };
    expect(predictions.map(({ label }) => label)).toEqual(await card().locator(".label").allTextContents());
    expect(predictions).toHaveLength(3);
  });

  test("selects its curl command for copying if the page may not write to the clipboard", async () => {
    await open();
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await give("drop", [await jpeg("teapot")]);
    await card().locator("summary", { hasText: "curl" }).click();
    await card().locator("button", { hasText: "Copy" }).click();
    await card().locator("button", { hasText: "Selected" }).waitFor();
    expect(await page.evaluate(() => String(getSelection()))).toMatch(
      /^curl --data-binary @'teapot.jpg' 'http/,
    );
    expect(complaints).toEqual([]);
  });
});

describe("a visitor", () => {
  test("with only a keyboard can classify an image and clear the page", async () => {
    await open();
    // Listen early, because Chromium starts listening a moment later.
    const chosen = page.waitForEvent("filechooser");
    chosen.catch(() => {});
    const focused = () =>
      page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent);
    const order: (string | null | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      await page.keyboard.press("Tab");
      order.push(await focused());
    }
    expect(order).toEqual([
      "Skip to the results",
      "API",
      "pick",
      "top-k",
      "head",
      "shrink",
      expect.anything(),
    ]);
    await page.locator("#pick").focus();
    await page.keyboard.press("Enter");
    await (await chosen).setFiles(teapot);
    expect(await best().textContent()).toBe("teapot");
    await page.locator("#clear").focus();
    await page.keyboard.press("Enter");
    expect(await page.locator(".card").count()).toBe(0);
    expect(await focused()).toBe("pick");
    expect(complaints).toEqual([]);
  });

  test.each(["light", "dark"] as const)(
    "meets no accessibility problem that axe-core finds, in %s mode, before and after an answer",
    async (colorScheme) => {
      await open(worker.url, { colorScheme });
      expect(seriousOnes(await audit(page))).toEqual([]);
      await give("drop", [
        await jpeg("teapot"),
        { name: "x.txt", type: "text/plain", bytes: new Uint8Array(9) },
      ]);
      await best(1).waitFor();
      await card(0).locator(".problem").waitFor();
      for (const summary of await page.locator("summary").all()) await summary.click();
      const { passes, findings } = await audit(page);
      expect(passes).toBeGreaterThan(15);
      expect(findings).toEqual([]);
    },
  );

  test("on a phone sees everything without scrolling sideways", async () => {
    await open(worker.url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await give("drop", [{ ...(await jpeg("teapot")), name: `${"a-very-long-name-".repeat(8)}.jpg` }]);
    expect(await best().textContent()).toBe("teapot");
    for (const summary of await page.locator("summary").all()) await summary.click();
    const { scroll, width } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      width: document.documentElement.clientWidth,
    }));
    expect(width).toBe(360);
    expect(scroll).toBeLessThanOrEqual(360);
    expect(await page.getByText("Take a photo").isVisible()).toBe(true);
  });
});

describe("a server with API keys", () => {
  test("serves the page, which asks for a key, keeps it in memory and then classifies the image", async () => {
    const locked = await TestWorker.start({ pack: "embedded", vars: { API_KEYS: key } });
    try {
      await open(locked.url);
      await page.locator("#key").waitFor();
      await give("drop", [await jpeg("teapot")]);
      expect(await card().locator(".problem strong").textContent()).toContain("requires an API key");
      // The refusal of the wrong key arrives late, after the right key was entered.
      let late = 0;
      await page.route("**/v1/model", async (route) => {
        if (late++ === 0) await new Promise((resolve) => setTimeout(resolve, 1500));
        await route.continue();
      });
      await page.locator("#key").fill("wrong-key-0123456789");
      await page.keyboard.press("Enter");
      await page.locator("#key-form:not([hidden])").waitFor();
      const refused = page.waitForResponse(
        (response) => response.url().endsWith("/v1/model") && !response.ok(),
      );
      await page.locator("#key").fill(key);
      await page.keyboard.press("Enter");
      expect(await best().textContent()).toBe("teapot");
      await refused;
      await page.waitForTimeout(100);
      expect(await page.locator("#key-form").isVisible()).toBe(false);
      expect(await card().locator("pre").textContent()).toContain('-H "Authorization: Bearer $KEY"');
      const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
      expect(kept).toBe('[{},{},""]');
      expect((await locked.get("/v1/model")).status).toBe(401);
    } finally {
      await locked.close();
    }
  });
});

describe("the served page", () => {
  test("loads and runs only files of this Worker, and cannot send images elsewhere", async () => {
    await open();
    for (const pathname of ["/", "/style.css", "/page/main.js", "/favicon.svg"]) {
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

  test("has less than 60 KB in all, uncompressed", async () => {
    await open();
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const sizes = await Promise.all(files.map(({ parentPath, name }) => stat(path.join(parentPath, name))));
    expect(files.length).toBeGreaterThan(8);
    expect(sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(60_000);
    const html = await readFile(path.join(folder, "index.html"), "utf8");
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});
