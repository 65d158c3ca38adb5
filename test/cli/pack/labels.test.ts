import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { classesOf, classFromPath, readClassLabels, readLabels } from "../../../cli/pack/labels.ts";

async function labelsFile(text: string): Promise<string> {
  const file = path.join(await mkdtemp(path.join(tmpdir(), "labels-")), "labels.txt");
  await writeFile(file, text);
  return file;
}

describe("display names of class folders", () => {
  const folders = ["cat", "cat tabby", "n02123045"];
  const expected = [
    { id: "cat", label: "Cat, any" },
    { id: "cat tabby", label: "Tabby" },
    { id: "n02123045", label: "n02123045" },
  ];

  test.each([
    ["lines in any order", "n02123045\ncat tabby\tTabby\ncat  Cat, any\n"],
    ["JSON in any order", JSON.stringify(expected.toReversed())],
  ])("are read from %s", async (_, text) => {
    expect(await readClassLabels(await labelsFile(text), folders)).toEqual(expected);
  });

  test.each([
    [
      "a folder without a line",
      "cat Cat\nn02123045 Tabby",
      /has no line for cat tabby; expected each class folder/,
    ],
    ["another name", "cat\ncat tabby\nn02123045\ncats Cats", /names what is no class folder: cats Cats/],
    ["a folder named twice", "cat\ncat tabby\nn02123045\ncat Two", /names more than once: cat;/],
    ["JSON with another id", '[{"id":"dog","label":"Dog"}]', /no line for cat, .* no class folder: dog/],
    ["JSON without ids", '[{"label":"Dog"}]', /entry 0\.id/],
  ])("are refused: %s", async (_, text, message) => {
    await expect(readClassLabels(await labelsFile(text), folders)).rejects.toThrow(message);
  });
});

describe("labels", () => {
  test.each([
    ["lines", "cat\ndog\n"],
    ["lines of Windows", "cat\r\ndog\r\n\r\n"],
    ["a JSON array of strings", '["cat", "dog"]'],
    ["a JSON array of objects", '[{"id":"cat","label":"cat"},{"id":"dog","label":"dog"}]'],
  ])("are read from %s", async (_, text) => {
    const expected = [
      { id: "cat", label: "cat" },
      { id: "dog", label: "dog" },
    ];
    expect(await readLabels(await labelsFile(text), 2)).toEqual(expected);
  });

  test("take a WNID before the name as id", async () => {
    expect(await readLabels(await labelsFile("n01440764 tench, Tinca tinca"), 1)).toEqual([
      { id: "n01440764", label: "tench, Tinca tinca" },
    ]);
  });

  test("are ImageNet's for 1000 classes, and numbers for any other number", async () => {
    const labels = await readLabels(null, 1000);
    expect(labels).toHaveLength(1000);
    expect(labels[0]).toEqual({ id: "n01440764", label: "tench, Tinca tinca" });
    expect(labels[999]!.id).toBe("n15075141");
    expect(new Set(labels.map((label) => label.id)).size).toBe(1000);
    expect((await readLabels(null, 7))[6]).toEqual({ id: "class-6", label: "class 6" });
  });

  test.each([
    ["too few", "cat\ndog", /has 2 labels; expected 3/],
    ["broken JSON", '["cat",', /begins as JSON but does not parse/],
    [
      "a label that is too long",
      `cat\n${"x".repeat(257)}\ndog`,
      /entry 1\.id: expected at most 256 characters/,
    ],
    ["a control character", "cat\nbell\u0007s\ndog", /entry 1\.id: expected text without control characters/],
    ["JSON of numbers", "[1,2,3]", /entry 0.*expected an array of strings/],
  ])("are refused: %s", async (_, text, message) => {
    await expect(readLabels(await labelsFile(text), 3)).rejects.toThrow(message);
  });

  test("that are not there are missed by name", async () => {
    await expect(readLabels("/nowhere/labels.txt", 3)).rejects.toThrow(
      /\/nowhere\/labels\.txt cannot be read/,
    );
  });
});

describe("the class in a path", () => {
  const labels = [
    { id: "n01534433", label: "junco, snowbird" },
    { id: "n02086240", label: "Shih-Tzu" },
    { id: "cat", label: "cat" },
    { id: "wild cat", label: "cat-like" },
  ];
  const classOf = classFromPath(labels);
  test.each([
    ["n01534433_junco.JPEG", 0],
    ["junco-12.jpg", 0],
    ["Shih-Tzu_1.jpg", 1],
    ["shih tzu.jpg", 1],
    ["cat-0517.jpg", 2],
    ["cat-like-3.jpg", 3],
    ["catalogue-1.jpg", null],
    ["1-cat.jpg", null],
    ["cat/IMG_0001.jpg", 2],
    ["photos/Shih-Tzu/IMG_0001.jpg", 1],
    ["n01534433_junco/cat-1.jpg", 0],
    ["holiday/cat-1.jpg", 2],
    ["holiday/IMG_0001.jpg", null],
    ["cat/holiday/IMG_0001.jpg", null],
  ])("%s", (path, index) => {
    expect(classOf(path)).toBe(index);
  });

  const named = (...names: string[]) => ({ count: names.length, name: (index: number) => names[index]! });

  test("is read for every image of a set", () => {
    expect(classesOf(named("cat/1.jpg", "junco-1.jpg"), labels)).toEqual([2, 0]);
  });

  test("is missed by the image's name, with the two ways to give one", () => {
    expect(() => classesOf(named("cat/1.jpg", "IMG_0001.jpg"), labels)).toThrow(
      /IMG_0001\.jpg has no class; expected it in a folder named like a label, or a name .* junco\/1\.jpg or n01534433-1\.jpg/,
    );
  });
});
