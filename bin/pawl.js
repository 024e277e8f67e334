#!/usr/bin/env node
// Starts the command line: of a clone from its sources, of a package from what was built of them. Plain JavaScript that
// an old Node reads too, to be told what it lacks.
import { existsSync, readFileSync } from "node:fs";

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const wanted = Number.parseInt(engines.node.replace(">=", ""), 10);
if (Number.parseInt(process.versions.node, 10) < wanted) {
  console.error(`error: Pawl needs Node ${wanted} or later, and this is Node ${process.versions.node} (${process.execPath})
Install a newer one from https://nodejs.org, or for this project alone: npm install --save-dev node@${wanted}`);
  process.exitCode = 1;
} else {
  const sources = new URL("../cli/main.ts", import.meta.url);
  await import(existsSync(sources) ? sources.href : "../dist/cli/main.js");
}
