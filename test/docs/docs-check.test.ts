/** What the check of the docs finds, on pages with faults. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { projectFolder, withFolder } from "../../cli/store/project.ts";
import { checkCommands, checkPages } from "./check.ts";
import { commandsOf, readPage } from "./pages.ts";
import { answerFault } from "./run.ts";

const sh = (commands: string) => `\`\`\`sh\n${commands}\n\`\`\`\n`;
const commandFaults = (text: string) => checkCommands(projectFolder, readPage("page.md", text).blocks);

describe("a page", () => {
  test("gives its commands, in lists too, with the reason before and the answer after", () => {
    const text = `# A\n\n${sh("npm start    # serve\ncurl \\\n  -i http://localhost:8787/healthz")}\n\`\`\`json\n{}\n\`\`\`\n
1. Step:

   <!-- command: needs an account -->

   \`\`\`sh
   npx wrangler login
   \`\`\`
`;
    expect(readPage("page.md", text).blocks).toEqual([
      {
        page: "page.md",
        commands: ["npm start", "curl -i http://localhost:8787/healthz"],
        reason: undefined,
        answer: "{}",
      },
      { page: "page.md", commands: ["npx wrangler login"], reason: "needs an account", answer: undefined },
    ]);
    expect(commandsOf("# nothing\ncurl http://localhost/#top")).toEqual(["curl http://localhost/#top"]);
  });

  test("has the anchors that GitHub makes of its headings", () => {
    const text = "## Hugging Face's clients\n\n## Instead of `env.AI`\n\n## A, B: c\n\n## A, B: c\n";
    expect([...readPage("page.md", text).anchors]).toEqual([
      "hugging-faces-clients",
      "instead-of-envai",
      "a-b-c",
      "a-b-c-1",
    ]);
  });
});

test("a missing file, heading, picture or script is a fault", () =>
  withFolder(async (folder) => {
    await mkdir(path.join(folder, "docs"));
    await writeFile(path.join(folder, "package.json"), '{"scripts": {"build": "true"}}');
    for (const file of ["README.md", "docs/b.md"]) await writeFile(path.join(folder, file), "");
    const a = readPage(
      "README.md",
      '# Top\n[1](docs/b.md#here) [2](docs/b.md#gone) [3](nix.md) [4](#top) [5](https://x.example/y) <img src="no.png">\n\n`npm run build`, `npm run nix`',
    );
    const b = readPage("docs/b.md", "## Here\n[up](../README.md#top)");
    expect(await checkPages(folder, [a, b])).toEqual([
      "README.md: docs/b.md#gone: docs/b.md has no such heading",
      "README.md: nix.md does not exist",
      "README.md: no.png does not exist",
      "README.md: package.json has no script nix",
    ]);
    const picture = readPage("README.md", '<picture>\n<img src="no.png">\n</picture>\n');
    expect(await checkPages(folder, [picture])).toEqual(["README.md: no.png does not exist"]);
  }));

describe("commands", () => {
  test("one that is not known, one with a flag of another subcommand, one on a file that is not there", async () => {
    expect(await commandFaults(sh("make all"))).toEqual(["page.md: unknown command: make all"]);
    expect(await commandFaults(sh("npm run model -- info resnet34-tiny-imagenet --keep 2"))).toEqual([
      "page.md: npm run model -- info resnet34-tiny-imagenet --keep 2: npm run model info has no --keep",
    ]);
    expect(await commandFaults(sh("npm run model -- prune resnet34-tiny-imagenet --keep 2"))).toEqual([]);
    expect(await commandFaults(sh("npm ci && npm run classify -- examples/images/cat.jpg"))).toEqual([
      "page.md: npm ci && npm run classify -- examples/images/cat.jpg: examples/images/cat.jpg does not exist",
    ]);
  });

  test("a reason that is none", async () => {
    const faults = await commandFaults(`<!-- command: too lazy -->\n\n${sh("npm ci")}`);
    expect(faults).toEqual([
      expect.stringMatching(/"command: too lazy" is not a known reason; expected one of: needs/),
    ]);
  });
});

describe("an answer", () => {
  const page = '{"model": {}, "predictions": [{"label": "teapot", "score": 0.9}]}';

  test("with the same keys and other values holds, whatever npm prints before it", () => {
    const real =
      '> npm run x\n\n{"model": {"name": "a"}, "predictions": [{"label": "ladybug", "score": 1}, {}]}';
    expect(answerFault(page, real)).toBeUndefined();
  });

  test.each([
    ['{"model": {}, "predictions": [{"label": "teapot"}]}', /\.predictions\[0\] has no score/],
    ['{"model": {}, "predictions": [], "more": 1}', /has more, the page does not/],
    ['{"model": {}, "predictions": [{"label": 1, "score": 1}]}', /label is number, on the page string/],
    ["curl: (7) refused", /the page shows JSON, the answer is: curl/],
  ])("%s does not", (real, fault) => {
    expect(answerFault(page, real)).toMatch(fault);
  });
});
