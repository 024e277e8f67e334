import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** Only the command line has words for people: what is below it throws coded errors, or gives coded messages. */
const silent = ["core", "store", "lambdas", "agent", "local", "trainer"];

/** The agent is a program of its own: it passes on what the trainer prints, and complains where nobody else could. */
const speaks: Readonly<Record<string, readonly string[]>> = {
  "agent/agent.ts": ["console.error", "process.stdout", "process.stderr"],
};

const printing = /\bconsole\.\w+|\bprocess\.(?:stdout|stderr)\b|\bprocess\.emitWarning\b/g;

/** Comments may speak of it. */
const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

const printed = (text: string): string[] => [...new Set(withoutComments(text).match(printing) ?? [])];

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split("/").includes("testing"));

describe("what is below the command line prints nothing itself", () => {
  it.each(silent)("%s", (folder) => {
    const files = sources(folder);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const found = printed(readFileSync(join(root, file), "utf8"));
      expect(
        found.filter((name) => speaks[file]?.includes(name) !== true),
        file,
      ).toEqual([]);
    }
  });

  it("where something may speak, it does", () => {
    for (const [file, names] of Object.entries(speaks)) {
      expect(printed(readFileSync(join(root, file), "utf8")).sort()).toEqual([...names].sort());
    }
  });

  it("and it would be seen", () => {
    expect(printed('// console.log is not used\n  console.warn("x"); process.stdout.write("y");')).toEqual([
      "console.warn",
      "process.stdout",
    ]);
  });
});
