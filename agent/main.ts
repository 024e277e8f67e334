import { enableCompileCache } from "node:module";
import { installation } from "../installation.ts";

// For this process alone: in the environment it would reach the trainer, which may be JavaScript too.
enableCompileCache(installation.compileCache);
await import("./agent.ts");
