/** `npm run head -- train` on drawn pictures, with the embedded model where accuracy matters, else with a small one. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeHead } from "../../../cli/commands/info.ts";
import { paceText } from "../../../cli/commands/train.ts";
import { readLocalHead } from "../../../cli/store/local-head.ts";
import { projectFolder } from "../../../cli/store/project.ts";
import { drawSigns } from "../../../examples/transfer-learning/draw.ts";
import { headLogits, parseHead } from "../../../src/head/head.ts";
import { runProgram } from "../../support/run-program.ts";
import { smallPack } from "../../support/small-pack.ts";

let folder: string;
let small: string[];
beforeAll(async () => {
  small = ["--model", (await smallPack()).folder];
  folder = await mkdtemp(path.join(tmpdir(), "train-"));
  await drawSigns(path.join(folder, "signs"), 8);
});
afterAll(() => rm(folder, { recursive: true }));

const head = (...args: string[]) => runProgram("head", args, { INIT_CWD: folder });

interface Report {
  version: string;
  training: {
    runtime: string;
    images: Record<string, number>;
    skipped: string[];
    folds: number;
    l2_strength?: number;
    colour_histogram_accuracy?: number;
    held_out: { accuracy: number; count: number; confusion: number[][] } | null;
    unknown?: { own_called_unknown: number; foreign_called_unknown: number };
  };
}

test("the expected time is in minutes where seconds would be hard to read", () => {
  const pace = { runtime: "onnxruntime-node", difference: 0, secondsPerImage: 0.25 } as const;
  expect(paceText(36, pace)).toBe(
    "the features of 36 images take about 9 seconds, 0.25 s each; cross-validation follows",
  );
  expect(paceText(1000, pace)).toMatch(/ 1000 images take about 4 minutes, 0.25 s each/);
});

describe("training a head", () => {
  test("is far better than colours alone on drawn signs, and writes a head and a picture", async () => {
    const { stdout, stderr, code } = await head(
      "train",
      "signs",
      "--json",
      "--augment",
      "flip",
      "--baseline",
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/^the features of 24 images take about \d+ seconds, \d\.\d\d s each/m);
    const { training } = JSON.parse(stdout) as Report;
    expect(training).toMatchObject({ images: { cross: 8, disc: 8, stripes: 8 }, folds: 5, skipped: [] });
    expect(training.runtime).toMatch(/^onnxruntime-(node|web)$/);
    expect(training.held_out).toMatchObject({ count: 24 });
    expect(training.held_out!.accuracy).toBeGreaterThanOrEqual(0.75);
    expect(training.colour_histogram_accuracy!).toBeLessThan(training.held_out!.accuracy - 0.2);
    expect(training.unknown!.foreign_called_unknown).toBeGreaterThan(training.unknown!.own_called_unknown);

    const written = await parseHead(new Uint8Array(await readFile(path.join(folder, "signs.head.json"))));
    expect(written.file.labels.map(({ label }) => label)).toEqual(["cross", "disc", "stripes"]);
    expect(headLogits(written, new Float32Array(512)).every(Number.isFinite)).toBe(true);
    const local = await readLocalHead(path.join(folder, "signs.head.json"));
    const [facts, matrix] = describeHead(local).split("held-out images:\n");
    expect(facts).not.toMatch(/confusion|recall|precision\./);
    expect(matrix).toMatch(/^true \\ predicted +cross +disc +stripes +recall +precision\ncross +\d+ /);

    const picture = await readFile(path.join(folder, "signs.head.confusion.svg"), "utf8");
    expect(picture).toContain("disc classified as disc");
  });

  test("evaluates a head on other photographs as the Worker would score them", async () => {
    await drawSigns(path.join(folder, "others"), 4, 99);
    const { stdout, code } = await head("evaluate", "signs.head.json", "others", "--json");
    expect(code).toBe(0);
    const { metrics } = JSON.parse(stdout) as { metrics: { accuracy: number; count: number } };
    expect(metrics.count).toBe(12);
    expect(metrics.accuracy).toBeGreaterThanOrEqual(0.75);
    const strange = await head("evaluate", "signs.head.json", folder);
    expect(strange.stderr).toMatch(/no class of the head: .*expected some of cross, disc, stripes/);
  });

  test("gives classes display names on request, and evaluates folders named like either", async () => {
    const file = path.join(folder, "names.txt");
    await writeFile(file, "stripes Zebra crossing\ncross Red cross\ndisc\n");
    const train = ["train", "signs", ...small, "--augment", "none", "--name", "named"];
    const { stdout, code } = await head(...train, "--labels", "names.txt");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^true \\ predicted +Red cross +disc +Zebra cross…/m);
    const written = await parseHead(new Uint8Array(await readFile(path.join(folder, "named.head.json"))));
    expect(written.file.labels).toEqual([
      { id: "cross", label: "Red cross" },
      { id: "disc", label: "disc" },
      { id: "stripes", label: "Zebra crossing" },
    ]);
    const others = path.join(folder, "by-either");
    await cp(path.join(folder, "signs", "cross"), path.join(others, "cross"), { recursive: true });
    await cp(path.join(folder, "signs", "stripes"), path.join(others, "Zebra crossing"), { recursive: true });
    const evaluated = await head("evaluate", "named.head.json", "by-either", ...small, "--json");
    const { metrics } = JSON.parse(evaluated.stdout) as { metrics: { confusion: number[][] } };
    expect(metrics.confusion.map((row) => row.reduce((a, b) => a + b))).toEqual([8, 0, 8]);

    await writeFile(file, "stripes Zebra crossing\ncross Red cross\nsquare\n");
    const refused = await head(...train, "--labels", "names.txt");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/no line for disc.*square/)]);
    expect(refused.stderr).not.toMatch(/^features: /m);
  });

  test("writes the same bytes for the same seed, also in another process, and others for another", async () => {
    const args = (out: string, seed: string) => {
      return ["train", "signs", ...small, "--augment", "none", "--seed", seed, "--out", out];
    };
    const written = (out: string) => readFile(path.join(folder, out));
    const program = path.join(projectFolder, "cli", "head.ts");
    const env = { ...process.env, INIT_CWD: folder };
    await promisify(execFile)(process.execPath, [program, ...args("a.json", "1")], { env });
    const first = await written("a.json");
    await head(...args("b.json", "1"));
    expect(await written("b.json")).toEqual(first);
    await head(...args("c.json", "2"));
    expect(await written("c.json")).not.toEqual(first);
  });

  test("accepts one photo per class for prototypes, of any format, and says what is then unknown", async () => {
    const few = path.join(folder, "few");
    for (const [name, format] of [
      ["cross", "png"],
      ["disc", "webp"],
      ["stripes", "gif"],
    ] as const) {
      const [file] = await readdir(path.join(folder, "signs", name));
      await mkdir(path.join(few, name), { recursive: true });
      await sharp(path.join(folder, "signs", name, file!)).toFile(path.join(few, name, `sign.${format}`));
    }
    const refused = await head("train", "few", ...small);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/one image only.*--method prototype/);
    const { stdout, code } = await head("train", "few", ...small, "--method", "prototype");
    expect(code).toBe(0);
    expect(stdout).toContain("the head's accuracy is unknown");
    const { file } = await parseHead(new Uint8Array(await readFile(path.join(folder, "few.head.json"))));
    expect(file).toMatchObject({ method: "prototype", normalize: "l2", unknown: null });
  });

  test("names every file that it cannot use, and skips them on request", async () => {
    const bad = path.join(folder, "bad");
    await cp(path.join(folder, "signs"), bad, { recursive: true });
    const whole = await readFile(path.join(bad, "disc", "disc-00.jpg"));
    await writeFile(path.join(bad, "disc", "cut.jpg"), whole.subarray(0, whole.length / 2));
    await writeFile(path.join(bad, "cross", "readme.txt"), "not an image");
    await writeFile(path.join(bad, "README.md"), "# Signs");
    const refused = await head("train", "bad", ...small, "--augment", "none");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/3 of the folder's entries cannot be used; nothing was written/);
    expect(refused.stderr).toMatch(/README.md: is not in a class folder/);
    // Before the features are computed, which takes minutes.
    expect(refused.stderr).not.toMatch(/^features: /m);
    expect(refused.stderr).toMatch(/cross\/readme.txt: .*expected a JPEG/);
    expect(refused.stderr).toMatch(/disc\/cut.jpg: .*cannot be decoded/);
    await expect(readFile(path.join(folder, "bad.head.json"))).rejects.toThrow(/ENOENT/);
    await mkdir(path.join(bad, "owl"));
    const empty = await head("train", "bad", ...small, "--augment", "none");
    expect(empty.stderr).toMatch(/owl\/: has no image/);
    await rm(path.join(bad, "owl"), { recursive: true });
    const skipped = await head("train", "bad", ...small, "--augment", "none", "--skip-unreadable", "--json");
    expect((JSON.parse(skipped.stdout) as Report).training.skipped).toHaveLength(3);
  });

  test.each([
    [["--folds", "1"], /folds/],
    [["--method", "svm"], /Allowed choices are logistic, prototype/],
    [["--unknown-rate", "2"], /share from 0 to 1/],
    [["--name", "Pets & co"], /--name/],
    [["--model", "no-such"], /there is no pack no-such/],
  ])("refuses %j and names the option or value", async (args, message) => {
    const { code, stderr } = await head("train", "signs", ...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});
