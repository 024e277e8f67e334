import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PawlError } from "../core/errors.ts";
import { installation } from "../installation.ts";
import { checkDefinition, type Definition } from "./definition-check.ts";
import { definitionFrom } from "./definition-template.ts";

export type { Definition } from "./definition-check.ts";

export interface LoadOptions {
  /** The CDK app to synthesise. Default: cdk/app.ts; in a package nothing is, it brings the definition with it. */
  readonly app?: string;
  /** Where definitions are kept between starts. Default: node_modules/.cache/pawl. */
  readonly cacheFolder?: string;
}

const root = new URL("../", import.meta.url);
const pathFromRoot = (path: string): string => fileURLToPath(new URL(path, root));

/**
 * The state machine as the CDK app synthesises it, with local names for what AWS would name. In a clone it is
 * synthesised once in a child process (seconds) and kept by the content of everything that it depends on (milliseconds
 * from then on); a package has the one of its release.
 *
 * @throws PawlError DEFINITION_FAILED where the CDK app fails or the package's definition is damaged,
 * DEFINITION_UNSUPPORTED where the embedded interpreter would run its state machine otherwise than AWS.
 */
export async function loadDefinition(options: LoadOptions = {}): Promise<Definition> {
  if (installation.definition !== undefined && options.app === undefined) {
    return await packaged(installation.definition);
  }
  const { app = pathFromRoot("cdk/app.ts"), cacheFolder = pathFromRoot("node_modules/.cache/pawl") } =
    options;
  const path = join(cacheFolder, `definition-${await contentDigest(app)}.json`);
  const cached = await readCached(path);
  if (cached !== undefined) return cached;
  const definition = definitionFrom(await synthesise(app));
  await keep(path, definition);
  return definition;
}

async function packaged(path: string): Promise<Definition> {
  try {
    const definition: unknown = JSON.parse(await readFile(path, "utf8"));
    checkDefinition(definition);
    return definition;
  } catch (error) {
    throw new PawlError(
      "DEFINITION_FAILED",
      `this installation is damaged: ${path} is not as it was packed`,
      {
        next: "Install the package again.",
        cause: error,
      },
    );
  }
}

const relativeImport = /\bfrom "(\.{1,2}\/[^"]+\.ts)"/g;

/** A digest over the app's sources, found by their imports, and what else decides on the outcome. */
async function contentDigest(app: string): Promise<string> {
  const hash = createHash("sha256");
  const queue = [pathToFileURL(app).href];
  const seen = new Set<string>(queue);
  for (const url of queue) {
    const text = await readFile(new URL(url), "utf8");
    hash.update(`${text}\0`);
    for (const [, specifier = ""] of text.matchAll(relativeImport)) {
      const imported = new URL(specifier, url).href;
      if (!seen.has(imported)) queue.push(imported);
      seen.add(imported);
    }
  }
  for (const path of ["package-lock.json", "cdk.json", "local/definition-template.ts"]) {
    hash.update(`${path}\0${await readText(pathFromRoot(path))}\0`);
  }
  return hash.digest("hex").slice(0, 32);
}

const readText = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** `undefined` where there is none, or it is damaged. */
async function readCached(path: string): Promise<Definition | undefined> {
  try {
    const [expected, text = ""] = (await readFile(path, "utf8")).split("\n", 2);
    if (expected !== digest(text)) return undefined;
    const definition: unknown = JSON.parse(text);
    checkDefinition(definition);
    return definition;
  } catch {
    return undefined;
  }
}

/** Several starts may do this at once; each one's file is whole. Where nothing can be kept, the next start is slower. */
async function keep(path: string, definition: Definition): Promise<void> {
  const text = JSON.stringify(definition);
  const unfinished = `${path}.${randomUUID()}`;
  try {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(unfinished, `${digest(text)}\n${text}`);
    await rename(unfinished, path);
  } catch {
    await rm(unfinished, { force: true }).catch(() => undefined);
  }
}

/** The stack's template, as the app writes it; no function is bundled for it. */
async function synthesise(app: string): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-synth-"));
  try {
    await run(app, {
      CDK_OUTDIR: folder,
      CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:bundling-stacks": [] }),
      // Node's own cache of compiled code, so that CDK loads faster the next time.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? pathFromRoot("node_modules/.cache/compile"),
    });
    return JSON.parse(await readFile(join(folder, "Pawl.template.json"), "utf8"));
  } catch (error) {
    if (error instanceof PawlError) throw error;
    throw failed("the CDK app wrote no template", error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Characters of the child's complaint that are worth showing. */
const tailLength = 2000;

function run(app: string, variables: Record<string, string>): Promise<void> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CDK_|NODE_OPTIONS$)/.test(name));
  const env = { ...Object.fromEntries(inherited), ...variables };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [app], { env, maxBuffer: 64 * 1024 * 1024 }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(failed(`the CDK app failed:\n${stderr.trimEnd().slice(-tailLength)}`, error));
    });
  });
}

const failed = (message: string, cause: unknown): PawlError =>
  new PawlError("DEFINITION_FAILED", message, {
    next: "Run 'npm ci', and then 'node cdk/app.ts' to see what is wrong.",
    cause,
  });
