import { enableCompileCache } from "node:module";
import { installation } from "../installation.ts";

// Halves the time to start. Where the folder cannot be written, nothing is kept and all goes on.
enableCompileCache(installation.compileCache);
const [first, second, ...words] = process.argv.slice(2);
if (first === "complete" && second === "--") await (await import("./complete.ts")).complete(words);
else await import("./command-line.ts");
