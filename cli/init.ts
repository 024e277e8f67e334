import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join, relative, resolve } from "node:path";
import { exitCodes, PawlError } from "../core/errors.ts";
import { Name, nameRule } from "../core/names.ts";
import { nearest } from "../core/nearest.ts";
import { installation } from "../installation.ts";
import type { CommandRun } from "./commands.ts";
import { gitIgnore } from "./init-git.ts";
import { jobText, schemaFile, type TrainerKind, trainerKinds } from "./init-job.ts";
import { type NewFile, writeAll } from "./init-write.ts";
import { shellWord } from "./next-command.ts";
import { schemaText } from "./schema.ts";

/** `pawl init [folder]`: writes a job that trains as it stands, all of it or nothing. */
export const init: CommandRun = async ({ args, options, console }) => {
  const folder = checkFolder(args[0] ?? ".");
  const kind = trainerKind(options.trainer);
  const name = typeof options.name === "string" ? checkName(options.name) : nameFrom(folder);
  const { script } = trainerKinds[kind];
  // The job file comes last: where it is, the rest is too.
  const files: NewFile[] = [
    {
      name: script,
      text: await readFile(join(installation.templates, kind, script), "utf8"),
    },
    { name: schemaFile, text: `${schemaText()}\n` },
    { name: "pawl.yaml", text: jobText(name, kind) },
  ];
  const ignored = await gitIgnore(folder);
  const made = await writeAll(folder, files, ignored);
  const next = nextSteps(folder, kind);
  if (options.json === true) console.out(JSON.stringify({ folder, name, trainer: kind, files: made, next }));
  else {
    const shown = relative(process.cwd(), folder) || ".";
    const lines = made.map((file) => `  ${join(shown, file)}`);
    console.out(
      `job ${name} is in ${shown}\n${lines.join("\n")}\n\nNow:\n${next.map((step) => `  ${step}`).join("\n")}`,
    );
  }
  return exitCodes.done;
};

function checkFolder(given: string): string {
  if (given !== "" && !given.includes("\0")) return resolve(given);
  throw new PawlError("USAGE", `init: ${JSON.stringify(given)} names no folder`, {
    next: "Name a folder, or leave it out for this one.",
  });
}

const isKind = (kind: string): kind is TrainerKind => Object.hasOwn(trainerKinds, kind);

function trainerKind(given: unknown): TrainerKind {
  const kind = String(given);
  if (isKind(kind)) return kind;
  const known = Object.keys(trainerKinds);
  const meant = nearest(kind, known);
  const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  throw new PawlError(
    "USAGE",
    `--trainer ${JSON.stringify(kind)}: must be one of ${known.join(", ")}${hint}`,
    {
      next: "Correct --trainer.",
      details: { trainer: kind },
    },
  );
}

function checkName(name: string): string {
  if (Name.safeParse(name).success) return name;
  throw new PawlError(
    "NAME_INVALID",
    `${JSON.stringify(name)} cannot be a job's name: it must be ${nameRule}`,
    {
      next: "Give another --name.",
      details: { name },
    },
  );
}

/** A job's name made of the folder's: without accents, and '-' for what a name cannot hold. */
export function nameFrom(folder: string): string {
  const plain = basename(folder).normalize("NFKD").replaceAll(/\p{M}/gu, "");
  // Shorter than a name may be, since runs have a number behind it.
  const name = plain
    .replaceAll(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^[-_]+/, "")
    .slice(0, 50)
    .replace(/-+$/, "");
  return name === "" ? "job" : name;
}

/** What to type, one step after the other. */
function nextSteps(folder: string, kind: TrainerKind): string[] {
  const there = relative(process.cwd(), folder);
  const steps = there === "" ? [] : [`cd ${shellWord(there)}`];
  if (kind === "javascript" && !findsHelper(folder)) {
    steps.push(`npm install ${installation.folder}    # for 'pawl/trainer', which train.mjs imports`);
  }
  if (kind === "pytorch") steps.push("pip install torch    # unless it is there");
  return [...steps, "pawl train"];
}

/** Whether a trainer in `folder` finds `pawl/trainer`. */
function findsHelper(folder: string): boolean {
  try {
    createRequire(join(folder, "train.mjs")).resolve("pawl/trainer");
    return true;
  } catch {
    return false;
  }
}
