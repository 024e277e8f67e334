import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundleHandler, handlerNames, handlersFolder } from "../cdk/bundle.ts";
import { PawlStack } from "../cdk/stack.ts";
import { stackOutputs } from "../core/stack.ts";
import packageJson from "../package.json" with { type: "json" };
import { synthesised } from "./template.ts";

const run = promisify(execFile);
const app = fileURLToPath(new URL("../cdk/app.ts", import.meta.url));

/** Of all files of a function's bundle, with the clients of AWS that it needs. */
const mostBytes = 1_000_000;

/** Of the bundle in `path`, in bytes. */
async function bundleSize(path: string): Promise<number> {
  const files = (await readdir(path)).filter((name) => name.endsWith(".mjs"));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(path, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

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

test("the app synthesises without credentials, Docker or network, and bundles each function small", async () => {
  const preload = join(folder, "no-network.mjs");
  await writeFile(preload, noNetwork);
  const outdir = join(folder, "out");
  // No AWS variable, no home to find credentials in, no program to be found: neither docker nor npx nor esbuild.
  const env = { PATH: folder, HOME: folder, TMPDIR: folder, CDK_OUTDIR: outdir };
  await run(process.execPath, ["--import", pathToFileURL(preload).href, app], { env, cwd: folder });

  const written = await readdir(outdir, { recursive: true });
  expect(written).toContain("Pawl.template.json");
  const bundles = written.filter((path) => path.endsWith("index.mjs"));
  expect(bundles.length).toBe(handlerNames.length);
  for (const bundle of bundles)
    expect(await bundleSize(join(outdir, dirname(bundle)))).toBeLessThan(mostBytes);

  // The instances are told of the very archive that is uploaded.
  const [archive = ""] = written.filter((path) => path.endsWith(".tar.gz"));
  const digest = createHash("sha256")
    .update(await readFile(join(outdir, archive)))
    .digest("hex");
  const template = await readFile(join(outdir, "Pawl.template.json"), "utf8");
  expect(template).toContain(`echo \\"${digest} `);
  expect(template).toContain(archive.replace(/^asset\./, "").replace(".tar.gz", ".gz"));
});

test("the three lines of docs/deploy.md are an app that reads the context", async () => {
  const page = await readFile(new URL("../docs/deploy.md", import.meta.url), "utf8");
  const [, lines = ""] = /```js\n([^`]*)```/.exec(page) ?? [];
  expect(lines.trim().split("\n").length).toBe(3);
  const library = fileURLToPath(new URL("../cdk/index.ts", import.meta.url));
  await symlink(fileURLToPath(new URL("../node_modules", import.meta.url)), join(folder, "node_modules"));
  await writeFile(join(folder, "app.mjs"), lines.replace("pawl/cdk", library));
  const outdir = join(folder, "out");
  const context = { "aws:cdk:bundling-stacks": [], stackName: "Lab", images: "jax=one.example/jax:1" };
  await run(process.execPath, ["app.mjs"], {
    cwd: folder,
    env: { CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify(context) },
  });
  expect(await readFile(join(outdir, "Lab.template.json"), "utf8")).toContain('"Lab-jax-gpu"');
});

test("the stack says what the command line asks for", () => {
  const outputs = synthesised().toJSON().Outputs;
  expect(Object.keys(outputs).toSorted()).toEqual(Object.values(stackOutputs).toSorted());
  expect(outputs[stackOutputs.version].Value).toBe(packageJson.version);
  expect(outputs[stackOutputs.name].Value).toBe("Pawl");
  const { images, ...offers } = JSON.parse(outputs[stackOutputs.offers].Value);
  expect(offers).toEqual({ instanceTypes: ["g4dn", "g5", "g6"], maxVcpus: 256 });
  expect(Object.keys(images)).toEqual(["default"]);
});

test("each function gets its own bundle, though they share a folder", async () => {
  for (const name of handlerNames) {
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
  expect(functions.length).toBe(handlerNames.length);
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
  expect(await synthesise({ stackName: "Lab", instanceTypes: "g5.xlarge, g6" })).toContain(
    "Lab.template.json",
  );
  await expect(synthesise({ maxVcpus: "many" })).rejects.toThrow("context 'maxVcpus' is 'many'");
  await expect(synthesise({ instanceType: "g5" })).rejects.toThrow(
    "context 'instanceType' is none of Pawl's",
  );
});

test.each(handlerNames)("the bundle of %s is small and exports a handler", async (name) => {
  bundleHandler(handlersFolder, name, folder);
  const bundle = join(folder, "index.mjs");
  expect(await bundleSize(folder)).toBeLessThan(mostBytes);
  const check = `console.log(typeof (await import(${JSON.stringify(pathToFileURL(bundle).href)})).handler)`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", check], {
    cwd: folder,
    env: {},
  });
  expect(stdout.trim()).toBe("function");
});

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
