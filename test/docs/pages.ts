/** Reads the project's Markdown: commands, links, headings and scripts of each page. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import GithubSlugger from "github-slugger";
import { lexer, type Token, walkTokens } from "marked";

/** A fenced `sh` block. */
export interface CommandBlock {
  readonly page: string;
  readonly commands: readonly string[];
  /** Why it is checked but not run: the text of a comment `<!-- command: ... -->` before it. */
  readonly reason: string | undefined;
  /** The JSON block that follows it, which shows the output of the last command. */
  readonly answer: string | undefined;
}

/** What the checks need of one page. */
export type Page = ReturnType<typeof readPage>;

/** Reads README, CONTRIBUTING and every page below docs, examples and model-shards. */
export async function readPages(folder: string): Promise<Page[]> {
  const files = ["README.md", "CONTRIBUTING.md"];
  for (const place of ["docs", "examples", "model-shards"]) {
    const found = (await readdir(path.join(folder, place), { recursive: true })).toSorted();
    files.push(...found.filter((file) => file.endsWith(".md")).map((file) => path.join(place, file)));
  }
  return Promise.all(
    files.map(async (file) =>
      readPage(file.replaceAll(path.sep, "/"), await readFile(path.join(folder, file), "utf8")),
    ),
  );
}

/** Reads one page. @param file its path relative to the project, with slashes */
export function readPage(file: string, text: string) {
  const tokens = lexer(text);
  /** Targets of links and pictures, as written. */
  const links: string[] = [];
  /** Anchors of the headings, as GitHub makes them. */
  const anchors = new Set<string>();
  const slugger = new GithubSlugger();
  void walkTokens(tokens, (token) => {
    if (token.type === "link" || token.type === "image") links.push(token.href);
    // GitHub makes an anchor of the text of a link, without its target.
    if (token.type === "heading") anchors.add(slugger.slug(token.text.replaceAll(/\[(.*?)\]\(.*?\)/g, "$1")));
    if (token.type === "html") links.push(...allMatches(token.text, /\b(?:src|srcset|href)="([^"]+)"/g));
  });
  /** Scripts named in the text: `npm run NAME`. */
  const scripts = allMatches(text, /\bnpm run (?:--silent )?([a-z][\w:-]*)/g);
  return { file, blocks: blocksOf(file, tokens), links, anchors, scripts };
}

/** Returns the first group of every match. */
function allMatches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group = ""]) => group);
}

function blocksOf(page: string, tokens: readonly Token[]): CommandBlock[] {
  const visible = tokens.filter(({ type }) => type !== "space");
  return visible.flatMap((token, i) => {
    // A list item holds its own comment, block and answer.
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

/** Returns one command per line. A backslash continues a line, and `#` begins a comment. */
export function commandsOf(block: string): string[] {
  return block
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|\s+)#\s.*$/, "").trim())
    .filter(Boolean);
}
