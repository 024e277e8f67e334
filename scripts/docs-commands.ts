// Runs the documents as a reader would: for each, writes the files that it shows and runs its commands, in their order
// and in one shell, in a copy of the repository, with the packages that are installed here and `pawl` on the PATH. A
// comment before a block says more:
//
//   <!-- file: my-job/pawl.yaml -->   the block is this file
//   <!-- exit: 100 -->                the block's last command ends with this code, not with 0
//   <!-- says: going back -->         what the block prints holds these words (may be repeated)
//   <!-- invalid: why -->             the block is a job file that is wrong on purpose
//   <!-- skip: why -->                the block is not run
//
//   node scripts/docs-commands.ts [document …]
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Those whose commands need an S3 server that holds the bucket `my-bucket`: test/docs.s3.test.ts runs them. */
export const documentsOnS3: readonly string[] = ["docs/s3.md"];

/** Those whose commands need the emulated cloud, and the stack `Pawl` in it: infra-test/cloud/docs.cloud.test.ts runs them. */
export const documentsOnAws: readonly string[] = ["docs/aws.md", "docs/emulated-cloud.md"];

/** Every document that shows commands or files. */
export const documents: readonly string[] = [
  "README.md",
  "python/README.md",
  ...globSync(["docs/**/*.md", "examples/*/README.md"], { cwd: root }).sort(),
];

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly file: string | undefined;
  readonly exit: number;
  /** Words that what it prints must hold. */
  readonly says: readonly string[];
  readonly skip: string | undefined;
  readonly invalid: string | undefined;
}

/** Blocks in these languages are run or written out, or say why not. */
const checked = new Set(["sh", "yaml", "python", "js"]);

const fenced = /((?:^<!-- (?:file|exit|says|skip|invalid): .* -->\n)*)^```([a-z]+)\n([\s\S]*?)^```$/gm;

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
        says: [...comments.matchAll(/<!-- says: (.*) -->/g)].map(([, words = ""]) => words),
        skip: said("skip"),
        invalid: said("invalid"),
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
const heredoc = "END_OF_SHOWN_FILE";

/** `text` as one word of the shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function step({ text, line, file, exit, says }: Block): string {
  const name = file === undefined ? "" : `: ${file}`;
  const say = `echo; echo '== line ${line}${name}'; where=${line}; said=$(mktemp)`;
  if (file !== undefined) {
    return `${say}\nmkdir -p '${dirname(file)}'\ncat > '${file}' <<'${heredoc}'\n${text}${heredoc}`;
  }
  const run =
    exit === 0
      ? `set -e\n{\n${text}} > "$said" 2>&1`
      : `set +e\n{\n${text}} > "$said" 2>&1\ncode=$?\nset -e\n[ "$code" -eq ${exit} ] || { echo "exit code $code, not ${exit}"; exit 1; }`;
  const checks = says.map(
    (words) =>
      `grep -qF -- ${quoted(words)} "$said" || { echo ${quoted(`it does not say '${words}'`)}; exit 1; }`,
  );
  return [say, run, ...checks, 'cat "$said"; said=""'].join("\n");
}

/** One script of all blocks, so that a later one finds the aliases and the folder of an earlier one. */
const scriptOf = (blocks: readonly Block[]): string =>
  [
    "shopt -s expand_aliases",
    "set -e",
    'said=""',
    `trap 'code=$?; [ -z "$said" ] || cat "$said"; [ $code -eq 0 ] || echo "FAILED: the block at line $where, exit code $code"' EXIT`,
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

/** `pawl` and this project's Node, as a person has them on the PATH. */
function binariesFor(clone: string, folder: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const node = join(root, "node_modules", ".bin", "node");
  writeFileSync(join(bin, "pawl"), `#!/bin/sh\nexec "${node}" "${join(clone, "cli", "main.ts")}" "$@"\n`);
  chmodSync(join(bin, "pawl"), 0o755);
  return bin;
}

/** Runs one document in a copy of the repository; whether all went as it says. */
export async function runDocument(path: string): Promise<boolean> {
  const blocks = readBlocks(readFileSync(join(root, path), "utf8"));
  for (const { line, skip } of blocks) {
    if (skip !== undefined) console.log(`skipped: ${path}, line ${line}: ${skip}`);
  }
  if (blocks.every(({ skip, language }) => skip !== undefined || language !== "sh")) return true;
  console.log(`\n=== ${path}`);
  const temporary = mkdtempSync(join(tmpdir(), "pawl-docs-"));
  try {
    const clone = join(temporary, "pawl");
    mkdirSync(clone);
    copyOfRepository(clone);
    const env = {
      ...process.env,
      // npx keeps a link to each package that it has run.
      npm_config_cache: join(temporary, "npm"),
      npm_config_fetch_retries: "5",
      PATH: `${binariesFor(clone, temporary)}${delimiter}${process.env.PATH}`,
      TMPDIR: temporary,
    };
    const code = await runBlocks(blocks, { folder: clone, env, shown: true });
    if (code !== 0) console.log(`FAILED: ${path}`);
    return code === 0;
  } finally {
    rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function main(): Promise<number> {
  const given = process.argv.slice(2);
  const failed: string[] = [];
  const elsewhere = [...documentsOnS3, ...documentsOnAws];
  const all = documents.filter((path) => !elsewhere.includes(path));
  for (const path of given.length === 0 ? all : given) {
    if (!(await runDocument(path))) failed.push(path);
  }
  console.log(
    failed.length === 0 ? "\nevery document does what it says" : `\nnot as they say: ${failed.join(", ")}`,
  );
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
