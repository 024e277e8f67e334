import { lstat, readFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import ignore, { type Ignore } from "ignore";
import { PawlError } from "../core/errors.ts";
import { isAbsent, systemCode } from "./folder-errors.ts";

/** What never belongs to the code: histories, runs, and what programs make anew by themselves. */
const never: ReadonlySet<string> = new Set([".git", ".hg", ".svn", ".pawl", "__pycache__", ".DS_Store"]);

/** At the top of the folder this one replaces every .gitignore. */
const ownIgnoreFile = ".pawlignore";
const gitIgnoreFile = ".gitignore";

/** The rules of one ignore file; they hold for what is below `folder`, an absolute path. */
interface Level {
  readonly folder: string;
  readonly rules: Ignore;
}

/** Says what is left out. One for each folder, since a folder can hold rules of its own. */
export interface LeftOut {
  /** Whether the entry `name` of `folder` is left out; the path is absolute. */
  readonly isLeftOut: (path: string, isFolder: boolean) => boolean;
  /** The same with the rules of `folder` too, which is below. */
  readonly within: (folder: string) => Promise<LeftOut>;
}

async function levelOf(folder: string, file: string): Promise<Level | undefined> {
  try {
    const text = await readFile(join(folder, file), "utf8");
    return { folder, rules: ignore({ ignorecase: false }).add(text) };
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw new PawlError("CODE_INVALID", `${join(folder, file)} cannot be read (${systemCode(cause)})`, {
      next: "Make it readable: it says what of the folder is left out.",
      details: { folder, path: file },
      cause,
    });
  }
}

/** Git's answer: the nearest file that says something about the path has the last word. */
function gitIgnores(levels: readonly Level[], path: string, isFolder: boolean): boolean {
  for (const { folder, rules } of levels.toReversed()) {
    const { ignored, unignored } = rules.test(`${relative(folder, path)}${isFolder ? "/" : ""}`);
    if (ignored || unignored) return ignored;
  }
  return false;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** The folders above `folder` up to the one that Git keeps, from the top; none where Git keeps none of them. */
async function gitParents(folder: string): Promise<string[]> {
  const above: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    if (at !== folder) above.unshift(at);
    if (await exists(join(at, ".git"))) return above;
    if (dirname(at) === at) return [];
  }
}

async function gitLevels(folder: string): Promise<Level[]> {
  const levels: Level[] = [];
  for (const parent of await gitParents(folder)) {
    const level = await levelOf(parent, gitIgnoreFile);
    if (level !== undefined) levels.push(level);
    // A folder that Git leaves out as a whole is packed by its own rules: somebody has named it.
    const next = join(parent, relative(parent, folder).split("/")[0] ?? "");
    if (gitIgnores(levels, next, true)) return [];
  }
  return levels;
}

function leftOut(levels: readonly Level[], others: ReadonlySet<string>, nested: boolean): LeftOut {
  return {
    isLeftOut: (path, isFolder) =>
      never.has(basename(path)) || others.has(path) || gitIgnores(levels, path, isFolder),
    async within(folder) {
      const level = nested ? await levelOf(folder, gitIgnoreFile) : undefined;
      return level === undefined ? this : leftOut([...levels, level], others, nested);
    },
  };
}

/**
 * What of `folder` (absolute) is no code: as its .pawlignore says, or where there is none, as Git's ignore files say, those
 * above it too; `others` (absolute paths), and what never is. Errors: CODE_INVALID.
 */
export async function whatIsLeftOut(folder: string, others: readonly string[]): Promise<LeftOut> {
  const own = await levelOf(folder, ownIgnoreFile);
  if (own !== undefined) return leftOut([own], new Set(others), false);
  return await leftOut(await gitLevels(folder), new Set(others), true).within(folder);
}
