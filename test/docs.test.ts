import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { TrainingJob } from "../core/job.ts";
import { loadDefinition } from "../local/definition.ts";
import { documents, readBlocks, runBlocks } from "../scripts/docs-commands.ts";
import { generatedFiles, partNames, regenerate } from "../scripts/generate-docs.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

const readme = read("README.md");
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

describe("generated parts of the documentation", () => {
  it.each(generatedFiles)("%s is what its code says now (else run scripts/generate-docs.ts)", (file) => {
    const { text, names } = regenerate(read(file));
    expect(names.length).toBeGreaterThan(0);
    expect(read(file)).toBe(text);
  });

  it("are all used", () => {
    expect(generatedFiles.flatMap((file) => regenerate(read(file)).names).sort()).toEqual(
      [...partNames].sort(),
    );
  });
});

/** `from → to`, with the action that leads there where it is Next that decides. */
const edge = (from: string, to: string, action?: string): string =>
  `${from} → ${to}${action === undefined ? "" : ` on ${action}`}`;

const anythingElse = "anything else";

async function edgesOfDefinition(): Promise<{ states: string[]; edges: Set<string> }> {
  const State = z.looseObject({
    Next: z.string().optional(),
    Default: z.string().optional(),
    Choices: z.array(z.object({ StringEquals: z.string(), Next: z.string() })).default([]),
    Catch: z.array(z.object({ Next: z.string() })).default([]),
  });
  const { States } = await loadDefinition();
  const edges = Object.entries(States).flatMap(([name, given]) => {
    const state = State.parse(given);
    return [
      ...(state.Next === undefined ? [] : [edge(name, state.Next)]),
      ...(state.Default === undefined ? [] : [edge(name, state.Default, anythingElse)]),
      ...state.Choices.map((choice) => edge(name, choice.Next, choice.StringEquals)),
      ...state.Catch.map((catcher) => edge(name, catcher.Next)),
    ];
  });
  return { states: Object.keys(States), edges: new Set(edges) };
}

const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(readme)?.[1] ?? "";

describe("the README's picture of the state machine", () => {
  it("has the states and the ways of the definition that is synthesised", async () => {
    const ways = block("mermaid").matchAll(/^ {2}(\w+) (?:-- (.+?) )?--> (\w+)$/gm);
    const drawn = [...ways].map(([, from = "", label, to = ""]) =>
      edge(from, to, from === "Next" ? label : undefined),
    );
    expect(drawn).toHaveLength(block("mermaid").trim().split("\n").length - 1);
    expect(new Set(drawn)).toEqual((await edgesOfDefinition()).edges);
  });

  it("says the same in words", async () => {
    const rows = [...readme.matchAll(/^\| (\w+) \| [^|]+ \| ([^|]*?) ?\|$/gm)].filter(
      ([, name]) => name !== "state",
    );
    const said = rows.flatMap(([, from = "", ways = ""]) =>
      ways.split(", ").flatMap((way) => {
        const [, to, action] = /^(\w+)(?: on (.+))?$/.exec(way) ?? [];
        if (to === undefined) return [];
        return [edge(from, to, from === "Next" ? action?.replaceAll("`", "") : undefined)];
      }),
    );
    const { states, edges } = await edgesOfDefinition();
    expect(rows.map(([, name]) => name).sort()).toEqual([...states].sort());
    expect(new Set(said)).toEqual(edges);
  });
});

/** The anchor that a heading gets. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

describe("links", () => {
  it.each(pages)("of %s lead to what is there", (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const broken = links.filter(([, path = "", fragment]) => {
      const target = path === "" ? page : relative(root, join(root, dirname(page), path));
      if (!existsSync(join(root, target))) return true;
      if (fragment === undefined) return false;
      const headings = [...read(target).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchor(heading));
      return !headings.includes(fragment);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it("of the index name every page", () => {
    const index = read("docs/README.md");
    // Pictures are shown in pages.
    const top = readdirSync(join(root, "docs")).filter((name) => name !== "README.md" && name !== "figures");
    expect(top.filter((name) => !index.includes(`(${name})`))).toEqual([]);
  });
});

describe("documents", () => {
  it("show valid jobs, or say that they are not", () => {
    const jobs = documents.flatMap((page) =>
      readBlocks(read(page))
        .filter(({ language, file }) => language === "yaml" && file?.endsWith("pawl.yaml") !== false)
        .map(({ text, invalid }) => ({ page, invalid, valid: TrainingJob.safeParse(parse(text)).success })),
    );
    expect(jobs.length).toBeGreaterThan(10);
    expect(jobs.filter(({ invalid, valid }) => valid !== (invalid === undefined))).toEqual([]);
  });

  it("have the package's version in the changelog", () => {
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(read("package.json")));
    expect(read("CHANGELOG.md")).toMatch(new RegExp(`^## .*${version.replaceAll(".", "\\.")}`, "m"));
  });
});

describe("the documents' commands", () => {
  it("are run, but for these", () => {
    const blocks = documents.flatMap((page) => readBlocks(read(page)));
    expect(blocks.filter(({ language }) => language === "sh").length).toBeGreaterThan(20);
    expect(blocks.filter(({ skip }) => skip !== undefined).map(({ text }) => text)).toEqual([
      "npm test\n",
      "pawl start examples/shell/pawl.yaml --stack Pawl --yes\n",
      "pawl stop shell-1\n",
      "pawl doctor --stack Pawl\n",
    ]);
  });

  /** Runs a README of these blocks. */
  async function runReadme(...blocks: string[]): Promise<number> {
    const folder = mkdtempSync(join(tmpdir(), "pawl-readme-test-"));
    try {
      const env = process.env;
      return await runBlocks(readBlocks(blocks.join("\n\n")), { folder, env, shown: false });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const sh = (text: string) => `\`\`\`sh\n${text}\n\`\`\``;

  it("see the files, the aliases and the folder of the blocks before them", async () => {
    const file = '<!-- file: job/pawl.yaml -->\n```yaml\nname: "$HOME"\n```';
    const code = await runReadme(
      file,
      sh('alias look="cat"\ncd job'),
      sh("look pawl.yaml | grep -F '$HOME'"),
    );
    expect(code).toBe(0);
  });

  it("fail at the first line that fails, and where an expected failure does not come", async () => {
    expect(await runReadme(sh("sh -c 'exit 7'\ntrue"), sh("true"))).toBe(7);
    expect(await runReadme(`<!-- exit: 7 -->\n${sh("sh -c 'exit 7'")}`, sh("true"))).toBe(0);
    expect(await runReadme(`<!-- exit: 7 -->\n${sh("true")}`, sh("true"))).toBe(1);
    expect(await runReadme(`<!-- says: hello -->\n${sh("echo hello >&2")}`)).toBe(0);
    expect(await runReadme(`<!-- says: hello -->\n${sh("echo goodbye")}`)).toBe(1);
    expect(await runReadme(`<!-- skip: not here -->\n${sh("exit 3")}`, sh("true"))).toBe(0);
  });

  it("cannot be left out without a word", () => {
    expect(() => readBlocks("```python\nprint(1)\n```")).toThrow("line 1: a block in python needs");
  });
});
