import { fileURLToPath } from "node:url";

/** In a clone this file runs as it is; in a package it is inside of what was built, two folders deep. */
const built = import.meta.url.endsWith(".js");

/** The agent alone, as one file with Python's helper beside it: what instances of a stack have of Pawl. */
const alone = import.meta.url.endsWith("/agent.mjs");
const root = new URL(built ? "../../" : "./", import.meta.url);
const path = (inClone: string, inPackage: string): string =>
  fileURLToPath(new URL(built ? inPackage : inClone, root));

/** Where the parts of this installation are, as absolute paths. */
export const installation = {
  /** The clone or the package, as npm installs it. */
  folder: path("", "").slice(0, -1),
  /** What the agent's process runs. */
  agent: path(alone ? "agent.mjs" : "agent/main.ts", "dist/agent/main.js"),
  /** The folder that Python trainers import `pawl` from. */
  pythonHelper: path("python", "python"),
  /** The functions: sources to bundle, or a folder for each that holds its bundle. */
  handlers: path("lambdas", "dist/lambdas"),
  /** The state machine as it was synthesised for the package; a clone synthesises its own. */
  definition: built ? path("", "dist/definition.json") : undefined,
  /** What `pawl init` writes a trainer from: a folder for each kind. */
  templates: path("cli/templates", "cli/templates"),
  /** Node's cache of compiled code, which halves the time to start. It may not be writable; then nothing is kept. */
  compileCache: path(alone ? ".cache" : "node_modules/.cache/pawl", "../.cache/pawl"),
} as const;
