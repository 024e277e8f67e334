import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { Code } from "aws-cdk-lib/aws-lambda";
import { installation } from "../installation.ts";
import { nodeBundle, requireBanner } from "./esbuild-options.ts";

/** One for each decision; the file in the handlers' folder has the same name. */
export const handlerNames = ["open", "review", "recover", "sweep", "stop"] as const;
export type HandlerName = (typeof handlerNames)[number];

/** Where the handlers are: one file, or one folder with a bundle, for each function. */
export const handlersFolder = installation.handlers;

const bundleFile = "index.mjs";

/**
 * Ways to credentials that the SDK tries behind the environment, where Lambda's are, and loads only then: a tenth of a
 * bundle, never used.
 */
const neverLoaded = ["ini", "login", "process", "sso", "web-identity"].map(
  (way) => `@aws-sdk/credential-provider-${way}`,
);

/**
 * Writes `<folder>/<name>.ts` and all that it imports to `<outFolder>/index.mjs`, for Lambda's Node 24, with what is imported
 * lazily in files beside it: it is not even parsed before it is needed, which halves the time to start. The AWS SDK is
 * bundled too: the one in the runtime is another version from month to month, and slower to load. Gives the paths of what went in.
 */
export function bundleHandler(folder: string, name: string, outFolder: string): string[] {
  // Loaded only here: who uses the package has its bundles, and no esbuild.
  const { buildSync }: typeof import("esbuild") = createRequire(import.meta.url)("esbuild");
  const { metafile } = buildSync({
    ...nodeBundle,
    entryPoints: { index: join(folder, `${name}.ts`) },
    outdir: outFolder,
    outExtension: { ".js": ".mjs" },
    splitting: true,
    minify: true,
    external: neverLoaded,
    banner: requireBanner,
  });
  return Object.keys(metafile.inputs).map((path) => resolve(path));
}

/** A function's bundle as an asset: the one that came with the package, or made in this process, so that no Docker is needed. */
export function handlerCode(folder: string, name: HandlerName): Code {
  const packaged = join(folder, name);
  return existsSync(join(packaged, bundleFile)) ? Code.fromAsset(packaged) : bundled(folder, name);
}

const bundled = (folder: string, name: HandlerName): Code =>
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
