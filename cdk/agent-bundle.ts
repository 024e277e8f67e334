import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { installation } from "../installation.ts";
import { linuxNode } from "./agent-node.ts";
import { nodeBundle, requireBanner } from "./esbuild-options.ts";
import type { PackedFile } from "./tar.ts";

const program = "agent.mjs";

/** In the package, which brings no esbuild: the agent's program as `bundleAgent` made it. */
const packagedProgram = join(installation.folder, "dist", "agent-bundle", program);

const inPackage = installation.definition !== undefined;

/**
 * Writes what an attempt's container is given, so that any image of Linux on x86-64 with glibc 2.28 or later does:
 * `bin/node`, `agent.mjs` and `python/pawl`. For an image that brings the agent itself, and for tests; a stack's instances
 * fetch the same.
 */
export function writeAgentBundle(folder: string): void {
  for (const { path, executable, content } of agentFiles()) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, executable ? 0o755 : 0o644);
  }
}

/** The bundle's files, by their paths in it; the same for the same sources. */
export function agentFiles(): PackedFile[] {
  const helper = join(installation.pythonHelper, "pawl");
  const python = readdirSync(helper)
    .filter((name) => name.endsWith(".py") || name === "py.typed")
    .sort();
  const plain = (path: string, content: Uint8Array) => ({ path, executable: false, content });
  return [
    { path: "bin/node", executable: true, content: readFileSync(linuxNode(installation.compileCache)) },
    plain(program, inPackage ? readFileSync(packagedProgram) : bundleAgent().content),
    ...python.map((name) => plain(`python/pawl/${name}`, readFileSync(join(helper, name)))),
  ];
}

/** The agent as one file, and the paths of what went in. */
export function bundleAgent(): { content: Uint8Array; inputs: string[] } {
  // Loaded only here: who uses the package has no esbuild.
  const { buildSync }: typeof import("esbuild") = createRequire(import.meta.url)("esbuild");
  const { outputFiles, metafile } = buildSync({
    ...nodeBundle,
    absWorkingDir: installation.folder,
    entryPoints: [installation.agent],
    outfile: program,
    write: false,
    minify: true,
    banner: requireBanner,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error("esbuild wrote no agent");
  const inputs = Object.keys(metafile.inputs).map((path) => resolve(installation.folder, path));
  return { content: output.contents, inputs };
}
