import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundleHandler, handlersFolder } from "../cdk/bundle.ts";
import { PawlStack } from "../cdk/stack.ts";

const run = promisify(execFile);
const app = fileURLToPath(new URL("../cdk/app.ts", import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pawl-synth-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Preloaded: a process that opens any connection fails. */
const noNetwork = `import net from "node:net";
import dns from "node:dns";
net.Socket.prototype.connect = () => { throw new Error("a connection was opened"); };
dns.lookup = () => { throw new Error("a name was looked up"); };`;

test("the app synthesises without credentials, Docker or network, and bundles each function below 1 MB", async () => {
  const preload = join(folder, "no-network.mjs");
  await writeFile(preload, noNetwork);
  const outdir = join(folder, "out");
  // No AWS variable, no home to find credentials in, no program to be found: neither docker nor npx nor esbuild.
  const env = { PATH: folder, HOME: folder, TMPDIR: folder, CDK_OUTDIR: outdir };
  await run(process.execPath, ["--import", pathToFileURL(preload).href, app], { env, cwd: folder });

  const written = await readdir(outdir, { recursive: true });
  expect(written).toContain("Pawl.template.json");
  const bundles = written.filter((path) => path.endsWith("index.mjs"));
  expect(bundles.length).toBe(4);
  for (const bundle of bundles) expect((await stat(join(outdir, bundle))).size).toBeLessThan(1_000_000);
});

test("each function gets its own bundle, though they share a folder", async () => {
  for (const name of ["open", "review", "recover", "sweep"]) {
    await writeFile(join(folder, `${name}.ts`), `export const handler = async () => "${name}";`);
  }
  const outdir = join(folder, "out");
  const stack = new PawlStack(new App({ outdir }), "Pawl", { handlers: folder });
  const functions = Object.entries(Template.fromStack(stack).findResources("AWS::Lambda::Function"));
  for (const [id, { Properties }] of functions) {
    const asset = String(Properties.Code.S3Key).replace(".zip", "");
    const code = await readFile(join(outdir, `asset.${asset}`, "index.mjs"), "utf8");
    const own = id.replace(/^Functions|[0-9A-F]{8}$/g, "").toLowerCase();
    expect(code).toContain(`"${own}"`);
  }
  expect(functions.length).toBe(4);
});

test("context names the stack and what it runs on, and nonsense is refused", async () => {
  const synthesise = async (context: object) => {
    const outdir = join(folder, "out");
    const all = { "aws:cdk:bundling-stacks": [], ...context };
    await run(process.execPath, [app], {
      env: { CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify(all) },
    });
    return await readdir(outdir);
  };
  expect(await synthesise({ "pawl:stackName": "Lab", "pawl:instanceTypes": "g5.xlarge, g6" })).toContain(
    "Lab.template.json",
  );
  await expect(synthesise({ "pawl:maxVcpus": "many" })).rejects.toThrow("pawl:maxVcpus");
  await expect(synthesise({ "pawl:instanceTypes": "" })).rejects.toThrow("pawl:instanceTypes");
});

test.each(["open", "review", "recover", "sweep"])(
  "the bundle of %s is below 1 MB and exports a handler",
  async (name) => {
    bundleHandler(handlersFolder, name, folder);
    const bundle = join(folder, "index.mjs");
    expect((await stat(bundle)).size).toBeLessThan(1_000_000);
    const check = `console.log(typeof (await import(${JSON.stringify(pathToFileURL(bundle).href)})).handler)`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", check], {
      cwd: folder,
      env: {},
    });
    expect(stdout.trim()).toBe("function");
  },
);

test("a handler that needs CommonJS dependencies is bundled into a file that runs by itself", async () => {
  await writeFile(join(folder, "legacy.cjs"), 'module.exports = { sep: require("node:path").sep };');
  await writeFile(
    join(folder, "open.ts"),
    'import legacy from "./legacy.cjs"; export const handler = async (): Promise<string> => legacy.sep;',
  );
  bundleHandler(folder, "open", join(folder, "out"));
  const bundle = pathToFileURL(join(folder, "out", "index.mjs")).href;
  const check = `console.log(await (await import(${JSON.stringify(bundle)})).handler())`;
  expect((await run(process.execPath, ["--input-type=module", "-e", check])).stdout.trim()).toBe("/");
});
