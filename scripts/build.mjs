// Builds what other projects import: `pawl/trainer`, as JavaScript that any Node from 18 on runs. Runs after `npm ci`.
// Tests give another folder than dist, so that nothing is rebuilt under whoever is running it.
import { execFileSync } from "node:child_process";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";

await build({
  entryPoints: ["trainer/index.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  outfile: `${out}/trainer/index.js`,
});
execFileSync(
  process.execPath,
  ["node_modules/typescript/bin/tsc", "-p", "trainer/tsconfig.json", "--outDir", out],
  { stdio: "inherit" },
);
