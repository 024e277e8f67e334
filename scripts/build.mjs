// Builds what trainers import: `pawl/trainer`, as JavaScript that any Node from 18 on runs. Runs after `npm ci`, in
// whatever Node that has; `build-package.ts` builds the rest of the package. Tests give another folder than dist, so
// that nothing is rebuilt under whoever is running it.
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
