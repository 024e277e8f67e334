// Builds what the npm package brings beside `pawl/trainer`: a file inside node_modules cannot be TypeScript. Runs before
// `npm pack`; nothing in a clone needs it.
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { bundleAgent } from "../cdk/agent-bundle.ts";
import { bundleHandler, handlerNames, handlersFolder } from "../cdk/bundle.ts";
import { nodeBundle, requireBanner } from "../cdk/esbuild-options.ts";
import { loadDefinition } from "../local/definition.ts";
import { noticesFor } from "./notices.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "dist");

const common = {
  ...nodeBundle,
  absWorkingDir: root,
  outdir: out,
  // The SDKs are most of it; the names of our own code stay, for whoever reads a stack.
  minifyWhitespace: true,
  minifySyntax: true,
} as const satisfies BuildOptions;

/** The command line and the agent, which share what they have in common; what is imported lazily stays apart. */
async function programs(): Promise<string[]> {
  const { metafile } = await build({
    ...common,
    entryPoints: { "cli/main": "cli/main.ts", "agent/main": "agent/main.ts" },
    splitting: true,
    // As deep as the entries, from where installation.ts finds the package.
    chunkNames: "chunks/[name]-[hash]",
    banner: requireBanner,
  });
  return Object.keys(metafile.inputs);
}

/** The construct; CDK itself is the user's own. */
async function construct(): Promise<string[]> {
  const { metafile } = await build({
    ...common,
    entryPoints: { "cdk/index": "cdk/index.ts" },
    packages: "external",
  });
  return Object.keys(metafile.inputs);
}

const handlers = (): string[] =>
  handlerNames.flatMap((name) => bundleHandler(handlersFolder, name, join(out, "lambdas", name)));

/** The agent as instances of a stack have it, one file. */
async function agent(): Promise<string[]> {
  const { content, inputs } = bundleAgent();
  await mkdir(join(out, "agent-bundle"), { recursive: true });
  await writeFile(join(out, "agent-bundle", "agent.mjs"), content);
  return inputs;
}

async function definition(): Promise<void> {
  await writeFile(join(out, "definition.json"), JSON.stringify(await loadDefinition()));
}

const relativeType = /(?:from |import\()"(\.{1,2}\/[^"]+)\.ts"/g;

/** Types of what is public, and none that only our own code sees. */
async function types(): Promise<void> {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.types.json"], {
    cwd: root,
    stdio: "inherit",
  });
  const folder = join(out, "types");
  const reached = new Set(["trainer", "cdk"].map((part) => join(folder, part, "index.d.ts")));
  for (const file of reached) {
    const text = await readFile(file, "utf8");
    for (const [, path = ""] of text.matchAll(relativeType)) reached.add(join(dirname(file), `${path}.d.ts`));
    // Every compiler finds a declaration by the name of the JavaScript that it stands for.
    await writeFile(
      file,
      text.replace(relativeType, (found) => found.replace(/\.ts"$/, '.js"')),
    );
  }
  for (const path of await readdir(folder, { recursive: true })) {
    const file = join(folder, path);
    if (path.endsWith(".d.ts") && !reached.has(file)) await rm(file);
  }
}

await mkdir(out, { recursive: true });
for (const name of await readdir(out)) {
  // A trainer of somebody who works in this clone may have it open.
  if (name !== "trainer") await rm(join(out, name), { recursive: true });
}
const inputs = [...(await programs()), ...(await construct()), ...handlers(), ...(await agent())];
await Promise.all([definition(), types()]);
await writeFile(join(out, "THIRD-PARTY-NOTICES.txt"), await noticesFor(root, inputs));
