// Runs the README as a reader would: writes the files that it shows and runs its commands, in their order and in one
// shell, in a copy of the repository, with the packages that are installed here. A comment before a block says more:
//
//   <!-- file: my-job/pawl.yaml -->   the block is this file
//   <!-- exit: 100 -->                the block's last command ends with this code, not with 0
//   <!-- skip: why -->                the block is not run
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly file: string | undefined;
  readonly exit: number;
  readonly skip: string | undefined;
}

/** Blocks in these languages are run or written out, or say why not. */
const checked = new Set(["sh", "yaml", "python", "js"]);

const fenced = /((?:^<!-- (?:file|exit|skip): .* -->\n)*)^```([a-z]+)\n([\s\S]*?)^```$/gm;

/** The fenced blocks of a Markdown text that are to be checked. Throws for one that is neither run, written nor skipped. */
export function readBlocks(markdown: string): Block[] {
  return [...markdown.matchAll(fenced)].flatMap(
    ({ index, 1: comments = "", 2: language = "", 3: text = "" }) => {
      if (!checked.has(language)) return [];
      const said = (name: string) => new RegExp(`<!-- ${name}: (.*) -->`).exec(comments)?.[1];
      const line = markdown.slice(0, index + comments.length).split("\n").length;
      const block = {
        language,
        text,
        line,
        file: said("file"),
        exit: Number(said("exit") ?? 0),
        skip: said("skip"),
      };
      if (language !== "sh" && block.file === undefined && block.skip === undefined) {
        throw new Error(
          `line ${line}: a block in ${language} needs '<!-- file: … -->' or '<!-- skip: … -->'`,
        );
      }
      return [block];
    },
  );
}

/** A here-document's end that the text does not hold. */
const heredoc = "END_OF_README_FILE";

function step({ text, line, file, exit }: Block): string {
  const say = `echo; echo '== line ${line}${file === undefined ? "" : `: ${file}`}'; where=${line}`;
  if (file !== undefined) {
    return `${say}\nmkdir -p '${dirname(file)}'\ncat > '${file}' <<'${heredoc}'\n${text}${heredoc}`;
  }
  if (exit === 0) return `${say}\nset -e\n${text}`;
  return `${say}\nset +e\n${text}code=$?\nset -e\n[ "$code" -eq ${exit} ] || { echo "exit code $code, not ${exit}"; exit 1; }`;
}

/** One script of all blocks, so that a later one finds the aliases and the folder of an earlier one. */
const scriptOf = (blocks: readonly Block[]): string =>
  [
    "shopt -s expand_aliases",
    "set -e",
    `trap 'code=$?; [ $code -eq 0 ] || echo "FAILED: the block at line $where, exit code $code"' EXIT`,
    ...blocks.filter(({ skip }) => skip === undefined).map(step),
    "",
  ].join("\n");

interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether what the commands print is shown. */
  readonly shown: boolean;
}

/** Runs the blocks; gives the exit code of the first one that fails, else 0. */
export function runBlocks(blocks: readonly Block[], { folder, env, shown }: Place): Promise<number> {
  const output = shown ? "inherit" : "ignore";
  const shell = spawn("bash", ["-c", scriptOf(blocks)], {
    cwd: folder,
    env,
    stdio: ["ignore", output, output],
  });
  return new Promise((resolve, reject) => {
    shell.once("error", reject);
    shell.once("close", (code) => resolve(code ?? 1));
  });
}

/**
 * A copy of what git would give to a clone, with what `npm ci` has put here. Times are kept, since by them it is seen
 * whether packages are current; each package is a link of its own, so that installing in the copy changes none here.
 */
function copyOfRepository(folder: string): void {
  const list = ["ls-files", "-co", "--exclude-standard", "-z"];
  const listed = execFileSync("git", list, { cwd: root, encoding: "utf8" });
  for (const path of listed.split("\0")) {
    if (path !== "" && existsSync(join(root, path))) copy(path, folder);
  }
  copy("dist", folder);
  mkdirSync(join(folder, "node_modules"));
  for (const entry of readdirSync(join(root, "node_modules"), { withFileTypes: true })) {
    const path = join("node_modules", entry.name);
    if (entry.isFile()) copy(path, folder);
    else symlinkSync(join(root, path), join(folder, path));
  }
}

const copy = (path: string, folder: string): void =>
  cpSync(join(root, path), join(folder, path), { recursive: true, preserveTimestamps: true });

async function main(): Promise<number> {
  const blocks = readBlocks(readFileSync(join(root, "README.md"), "utf8"));
  for (const { line, skip } of blocks) if (skip !== undefined) console.log(`skipped: line ${line}: ${skip}`);
  const temporary = mkdtempSync(join(tmpdir(), "pawl-readme-"));
  try {
    const clone = join(temporary, "pawl");
    mkdirSync(clone);
    copyOfRepository(clone);
    // npx keeps a link to each package that it has run.
    const env = { ...process.env, npm_config_cache: join(temporary, "npm") };
    return await runBlocks(blocks, { folder: clone, env, shown: true });
  } finally {
    rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (import.meta.main) process.exitCode = await main();
