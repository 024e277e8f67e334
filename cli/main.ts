#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// Halves the time to start. Where the folder cannot be written, nothing is kept and all goes on.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/pawl", import.meta.url)));
await import("./command-line.ts");
