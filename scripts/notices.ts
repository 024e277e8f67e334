import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as z from "zod";

const Package = z.object({ name: z.string(), version: z.string(), license: z.string() });

/**
 * The licences of the packages that `inputs` (paths, where relative to `root`) are parts of, each text once.
 *
 * @throws where a package does not say what its licence is.
 */
export async function noticesFor(root: string, inputs: readonly string[]): Promise<string> {
  const folders = new Set(
    inputs.flatMap((path) => resolve(root, path).match(/^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []),
  );
  const packagesByText = new Map<string, string[]>();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = Package.parse(
      JSON.parse(await readFile(join(folder, "package.json"), "utf8")),
    );
    const text = (await licenceText(folder)) ?? `Licensed under ${license}.`;
    packagesByText.set(text, [...(packagesByText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const parts = [...packagesByText].map(([text, packages]) => `${packages.join("\n")}\n\n${text.trim()}\n`);
  return ["This package contains code of others, under these licences.\n", ...parts].join(
    `\n${"-".repeat(80)}\n\n`,
  );
}

async function licenceText(folder: string): Promise<string | undefined> {
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  return file === undefined ? undefined : await readFile(join(folder, file), "utf8");
}
