import type { BuildOptions } from "esbuild";

/** How everything is bundled that runs on Node 24 by itself. */
export const nodeBundle = {
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  mainFields: ["module", "main"],
  keepNames: true,
  legalComments: "none",
  logLevel: "error",
  metafile: true,
} as const satisfies BuildOptions;

/** CommonJS dependencies call `require`, which modules do not have. A name so long is none that minifying gives. */
export const requireBanner = {
  js: 'import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);',
} as const;
