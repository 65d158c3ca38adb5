import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readDataset, refuseOrSkip } from "../../../cli/head/dataset.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "dataset-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

const good = { "cat/1.jpg": "a", "cat/2.jpg": "b", "dog/1.jpg": "c", "dog/2.jpg": "d" };

async function problems(files: Record<string, string>) {
  await put(files);
  return (await readDataset(folder)).problems;
}

describe("a folder of labelled images", () => {
  test("has its classes and images in the order of their names", async () => {
    await put(good);
    const { classes, images, problems, ignored } = await readDataset(folder);
    expect(classes).toEqual(["cat", "dog"]);
    expect(images.map(({ file, classIndex }) => [file, classIndex])).toEqual([
      ["cat/1.jpg", 0],
      ["cat/2.jpg", 0],
      ["dog/1.jpg", 1],
      ["dog/2.jpg", 1],
    ]);
    expect({ problems, ignored }).toEqual({ problems: [], ignored: [] });
  });

  test("accepts a link to a folder as a class", async () => {
    await put({ ...good, "cat/3.jpg": "e" });
    await mkdir(path.join(folder, "set"));
    for (const name of ["cat", "dog"]) await symlink(path.join("..", name), path.join(folder, "set", name));
    const { classes, images, problems } = await readDataset(path.join(folder, "set"));
    expect([classes, images.length, problems]).toEqual([["cat", "dog"], 5, []]);
  });

  test("names an empty class, which cannot be skipped", async () => {
    await mkdir(path.join(folder, "owl"));
    expect(await problems(good)).toEqual([
      { file: "owl/", reason: expect.stringMatching(/has no image; expected image files/), canSkip: false },
    ]);
  });

  test("refuses one class, none, and a missing folder", async () => {
    await put({ "cat/1.jpg": "a" });
    await expect(readDataset(folder)).rejects.toThrow(/has one folder, cat; expected at least two/);
    await rm(path.join(folder, "cat"), { recursive: true });
    await expect(readDataset(folder)).rejects.toThrow(/has no folder; expected at least two/);
    await expect(readDataset(path.join(folder, "nowhere"))).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });

  test("names a file outside the classes and a folder inside one", async () => {
    expect(await problems({ ...good, "notes.txt": "x", "dog/puppies/1.jpg": "e" })).toEqual([
      { file: "notes.txt", reason: expect.stringMatching(/is not in a class folder/), canSkip: true },
      { file: "dog/puppies", reason: expect.stringMatching(/folder inside a class folder/), canSkip: true },
    ]);
  });

  test("names duplicates: they can be skipped within a class, but not across classes", async () => {
    const { "cat/1.jpg": first } = good;
    expect(await problems({ ...good, "cat/3.jpg": first, "dog/3.jpg": first })).toEqual([
      { file: "cat/3.jpg", reason: "is the same image as cat/1.jpg", canSkip: true },
      {
        file: "dog/3.jpg",
        reason: expect.stringMatching(/same image as cat\/1.jpg, of another class: remove the wrong one/),
        canSkip: false,
      },
    ]);
  });

  test("lists system files, and ignores them", async () => {
    await put({ ...good, ".DS_Store": "x", "cat/Thumbs.db": "x" });
    const { ignored, problems } = await readDataset(folder);
    expect(ignored.toSorted()).toEqual([".DS_Store", "cat/Thumbs.db"]);
    expect(problems).toEqual([]);
  });

  test("names a file that cannot be read, such as a broken link", async () => {
    await put(good);
    await symlink("nowhere.jpg", path.join(folder, "cat/3.jpg"));
    expect((await readDataset(folder)).problems).toEqual([
      { file: "cat/3.jpg", reason: "cannot be read (ENOENT)", canSkip: true },
    ]);
  });
});

describe("entries that cannot be used", () => {
  const mild = { file: "a.png", reason: "is not an image", canSkip: true };
  const grave = { file: "owl/", reason: "has no image", canSkip: false };

  test("are refused in one list that says how to continue", () => {
    expect(() => refuseOrSkip([mild, { ...mild, file: "b.png" }], false)).toThrow(
      /2 of .*nothing was written:\n {2}a.png: is not an image\n {2}b.png: is not an image\n.*--skip-unreadable/,
    );
  });

  test("are skipped on request, unless that would change the meaning of the others", () => {
    expect(() => refuseOrSkip([mild], true)).not.toThrow();
    expect(() => refuseOrSkip([mild, grave], true)).toThrow(/^1 of .*\n {2}owl\/: has no image$/);
  });
});
