import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Stack, Stage } from "aws-cdk-lib";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import type { Construct } from "constructs";
import { installation } from "../installation.ts";
import { agentFiles } from "./agent-bundle.ts";
import { tarGz } from "./tar.ts";

/** Stands for the bundle where none is made. */
const placeholder = join(installation.pythonHelper, "pawl", "__init__.py");

export interface AgentAsset {
  readonly asset: Asset;
  /** SHA-256 of the archive, hexadecimal. */
  readonly digest: string;
}

/**
 * The agent's bundle as an asset, an archive that is named by its content, and its SHA-256. Where CDK bundles nothing for
 * the stack (`cdk list`, tests, the definition for this machine), some other file stands for it.
 */
export function agentAsset(scope: Construct, id: string): AgentAsset {
  const path = Stack.of(scope).bundlingRequired ? packedAgent(keptIn(scope)) : placeholder;
  return { asset: new Asset(scope, id, { path }), digest: sha256([readFileSync(path)]) };
}

/** The path of the archive in `folder`: packing Node takes seconds, so one of the same files is kept there. */
export function packedAgent(folder: string): string {
  const files = agentFiles();
  const path = join(
    folder,
    `agent-${sha256(files.flatMap((file) => [`${file.path}\0`, file.content]))}.tar.gz`,
  );
  if (existsSync(path)) return path;
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, tarGz(files));
  renameSync(unfinished, path);
  forgetOld(folder);
  return path;
}

/** They are large, and every change of the agent makes one. What is newer may be in use by another process. */
function forgetOld(folder: string): void {
  const old = Date.now() - 60 * 60 * 1000;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!/^agent-[0-9a-f]{64}\.tar\.gz/.test(name)) continue;
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? old) < old) rmSync(path, { force: true });
  }
}

/** Beside what Node keeps of our programs; where that cannot be written, with what CDK writes. */
function keptIn(scope: Construct): string {
  try {
    mkdirSync(installation.compileCache, { recursive: true });
    accessSync(installation.compileCache, constants.W_OK);
    return installation.compileCache;
  } catch {
    const outdir = Stage.of(scope)?.outdir;
    if (outdir === undefined) throw new Error(`${installation.compileCache} cannot be written`);
    return outdir;
  }
}

function sha256(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
