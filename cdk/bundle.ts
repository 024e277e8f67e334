import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { Code } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

/** Where the handlers are: one file for each function. */
export const handlersFolder = fileURLToPath(new URL("../lambdas/", import.meta.url));

/**
 * Writes `<folder>/<name>.ts` and all that it imports to `<outFolder>/index.mjs`, for Lambda's Node 24. The AWS SDK
 * is bundled too: the one in the runtime is another version from month to month, and slower to load.
 */
export function bundleHandler(folder: string, name: string, outFolder: string): void {
  buildSync({
    entryPoints: [join(folder, `${name}.ts`)],
    outfile: join(outFolder, "index.mjs"),
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    minify: true,
    keepNames: true,
    legalComments: "none",
    logLevel: "error",
    // CommonJS dependencies call `require`, which modules do not have. A name so long is none that minifying gives.
    banner: {
      js: 'import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);',
    },
  });
}

/** The same as an asset; bundled in this process, so that no Docker is needed. */
export const handlerCode = (folder: string, name: string): Code =>
  Code.fromAsset(folder, {
    // By what comes out, since most of what goes in is in other folders.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry("unused"),
      // Never run, but it tells the assets of one folder apart: CDK bundles only once what looks the same.
      command: [name],
      local: {
        tryBundle(outFolder) {
          bundleHandler(folder, name, outFolder);
          return true;
        },
      },
    },
  });
