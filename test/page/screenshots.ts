/** `npm run screenshots`: takes the pictures of the page for README and docs, audits it with axe-core, and prints its size. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { Command } from "@commander-js/extra-typings";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { projectFolder } from "../../cli/store/project.ts";
import { runCommand } from "../../cli/terminal/fail.ts";
import { table } from "../../cli/terminal/output.ts";
import { withEmbeddedWorker } from "../../cli/workerd/embedded-worker.ts";
import { defaultModelName } from "../../src/default-model.ts";
import { audit } from "../support/browser/audit.ts";
import { launchChromium } from "../support/browser/chromium.ts";
import { drain, labelAll, startPictures } from "../support/pictures/pictures-worker.ts";

const folder = path.join(projectFolder, "docs", "images");
const example = (name: string) => path.join(projectFolder, "examples", "images", `${name}.jpg`);
const notAnImage = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("hello") };

interface Shot {
  readonly name: string;
  readonly context: BrowserContextOptions;
  /** Picked one after the other. The card of the last one is the first on the page. */
  readonly files: readonly (string | typeof notAnImage)[];
}

const desktop = {
  viewport: { width: 1120, height: 760 },
  deviceScaleFactor: 1.25,
  colorScheme: "light",
  // Pictures of a movement would differ from run to run.
  reducedMotion: "reduce",
} as const;
const dark = { ...desktop, colorScheme: "dark" } as const;
const phone = {
  ...desktop,
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
} as const;
const three = ["espresso", "ladybug", "teapot"].map(example);
const shots: readonly Shot[] = [
  { name: "page-start", context: desktop, files: [] },
  { name: "page-light", context: desktop, files: three },
  { name: "page-dark", context: dark, files: three },
  { name: "page-phone", context: phone, files: three.slice(1) },
  { name: "page-error", context: dark, files: [example("teapot"), notAnImage] },
];

await runCommand(async () => {
  new Command("npm run screenshots --")
    .description(
      "Take the pictures of the page in docs/images, audit the page with axe-core, and print its size. Installs Chromium if there is none.",
    )
    .parse();
  const browser = await launchChromium();
  try {
    await mkdir(folder, { recursive: true });
    await withEmbeddedWorker(defaultModelName, async (_, url) => {
      for (const shot of shots) await take(browser, url, shot);
    });
    await takePictures(browser);
  } finally {
    await browser.close();
  }
  await printSizes();
});

async function take(browser: Browser, url: URL, { name, context, files }: Shot): Promise<void> {
  const page = await (await browser.newContext(context)).newPage();
  await page.goto(url.href);
  await page.locator("#model:not(:empty)").waitFor();
  for (const [i, file] of files.entries()) {
    await page.locator("#pick").setInputFiles(file);
    await page.locator(".best, .problem").nth(i).waitFor();
  }
  await save(page, name);
}

/** Takes the page of a bucket with variants of the example pictures. */
async function takePictures(browser: Browser): Promise<void> {
  const bench = await startPictures({ pack: "embedded", vars: { KEEP_FEATURES: "true" } });
  try {
    for (const name of ["espresso", "jellyfish", "ladybug", "teapot"]) {
      const original = sharp(await readFile(example(name))).resize(800);
      const variants = {
        original,
        mirrored: original.clone().flop(),
        grey: original.clone().grayscale(),
        bright: original.clone().modulate({ brightness: 1.25 }),
      };
      for (const [variant, picture] of Object.entries(variants)) {
        await bench.pictures.put(`${name}/${variant}.jpg`, await picture.jpeg().toBuffer());
      }
    }
    await labelAll(bench);
    await drain(bench);
    const page = await (await browser.newContext(desktop)).newPage();
    await page.goto(new URL("/pictures", bench.worker.url).href);
    await page.waitForFunction(() => document.querySelectorAll("#grid img").length === 16);
    await save(page, "pictures");
  } finally {
    await bench.worker.close();
  }
}

async function save(page: Page, name: string): Promise<void> {
  const png = await sharp(await page.screenshot())
    .png({ palette: true, colours: 160, effort: 10 })
    .toBuffer();
  const file = path.join(folder, `${name}.png`);
  await writeFile(file, png);
  console.log(
    `${path.relative(projectFolder, file)}: ${Math.round(png.length / 1e3)} kB; ${await axeText(page)}`,
  );
  await page.context().close();
}

async function axeText(page: Page): Promise<string> {
  const { passes, findings } = await audit(page);
  const list = findings.map(
    ({ impact, rule, help, elements }) => `\n  ${impact}: ${rule}: ${help}: ${elements[0]}`,
  );
  return `axe-core: ${passes} rules pass, ${findings.length} do not${list.join("")}`;
}

/** Prints what a browser downloads for the page. */
async function printSizes(): Promise<void> {
  const root = path.join(projectFolder, "public");
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const rows: [string, number, number][] = [];
  for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
    const file = path.join(parentPath, name);
    const bytes = await readFile(file);
    rows.push([path.relative(projectFolder, file), bytes.length, gzipSync(bytes).length]);
  }
  const sum = (column: 1 | 2) => rows.reduce((total, row) => total + row[column], 0);
  const text = [...rows, ["in all", sum(1), sum(2)] as const].map((row) => row.map(String));
  console.log(`\n${table([["file", "bytes", "gzip"], ...text], [1, 2])}`);
}
