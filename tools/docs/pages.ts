/** The project's Markdown: which pages there are, their commands, links and headings. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { lexer, type Token, walkTokens } from "marked";

/** A fenced `sh` block. */
export interface CommandBlock {
  readonly page: string;
  readonly commands: readonly string[];
  /** Why it is checked and not run: what a comment `<!-- command: ... -->` before it says. */
  readonly reason: string | undefined;
  /** The JSON block that follows it: what the last command answers. */
  readonly answer: string | undefined;
}

export interface Page {
  /** Relative to the project, with slashes. */
  readonly file: string;
  readonly blocks: readonly CommandBlock[];
  /** Targets of links and pictures, as written. */
  readonly links: readonly string[];
  /** Anchors of the headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  /** Scripts named in the text: `npm run NAME`. */
  readonly scripts: readonly string[];
}

export async function readPages(folder: string): Promise<Page[]> {
  const files = [
    "README.md",
    "CONTRIBUTING.md",
    ...(await markdownIn(folder, "docs")),
    ...(await markdownIn(folder, "examples")),
    ...(await markdownIn(folder, "model-shards")),
  ];
  return Promise.all(
    files.map(async (file) => readPage(file, await readFile(path.join(folder, file), "utf8"))),
  );
}

async function markdownIn(folder: string, place: string): Promise<string[]> {
  const files = await readdir(path.join(folder, place), { recursive: true });
  return files
    .filter((file) => file.endsWith(".md"))
    .map((file) => path.posix.join(place, file.split(path.sep).join("/")))
    .sort();
}

export function readPage(file: string, text: string): Page {
  const tokens = lexer(text);
  const links: string[] = [];
  const headings: string[] = [];
  walkTokens(tokens, (token) => {
    if (token.type === "link" || token.type === "image") links.push(token.href);
    if (token.type === "heading") headings.push(token.text);
    if (token.type === "html") {
      links.push(
        ...[...token.text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)].map((match) => match[1] as string),
      );
    }
  });
  const scripts = [...text.matchAll(/\bnpm run (?:--silent )?([a-z][\w:-]*)/g)].map(
    (match) => match[1] as string,
  );
  return { file, blocks: blocksOf(file, tokens), links, anchors: anchorsOf(headings), scripts };
}

function blocksOf(page: string, tokens: readonly Token[]): CommandBlock[] {
  const visible = tokens.filter(({ type }) => type !== "space");
  return visible.flatMap((token, i) => {
    // A block may stand in a list, with the comment and the answer beside it there.
    if (token.type === "list")
      return (token.items as Token[]).flatMap((item) => blocksOf(page, childrenOf(item)));
    if (token.type === "blockquote") return blocksOf(page, childrenOf(token));
    if (token.type !== "code" || token.lang !== "sh") return [];
    const before = visible[i - 1];
    const after = visible[i + 1];
    const reason = before?.type === "html" ? /<!-- command: (.*?) -->/.exec(before.text)?.[1] : undefined;
    const answer = after?.type === "code" && after.lang === "json" ? after.text : undefined;
    return [{ page, commands: commandsOf(token.text), reason, answer }];
  });
}

const childrenOf = (token: Token): readonly Token[] => ("tokens" in token ? (token.tokens ?? []) : []);

/** One command a line; a backslash goes on in the next, `#` begins a comment. */
export function commandsOf(block: string): string[] {
  return block
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|\s+)#\s.*$/, "").trim())
    .filter(Boolean);
}

function anchorsOf(headings: readonly string[]): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headings) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}
