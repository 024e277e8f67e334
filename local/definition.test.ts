import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadDefinition } from "./definition.ts";
import { definitionFrom } from "./definition-template.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pawl-definition-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const small = { StartAt: "Done", States: { Done: { Type: "Succeed" } } };

/** A stand-in for the CDK app: it counts its runs in a file, and writes a template. */
async function smallApp(definition: object = small): Promise<{ app: string; runs: () => Promise<number> }> {
  const count = join(folder, "runs");
  const app = join(folder, "app.mjs");
  const resource = {
    Type: "AWS::StepFunctions::StateMachine",
    Properties: { DefinitionString: JSON.stringify(definition) },
  };
  await writeFile(
    app,
    `import { appendFileSync, writeFileSync } from "node:fs";
     import "./names.ts";
     export { name } from "./names.ts";
     appendFileSync(${JSON.stringify(count)}, ".");
     writeFileSync(process.env.CDK_OUTDIR + "/Pawl.template.json", ${JSON.stringify(JSON.stringify({ Resources: { resource } }))});`,
  );
  await writeFile(join(folder, "names.ts"), 'export const name = "one";');
  return { app, runs: async () => (await readFile(count, "utf8").catch(() => "")).length };
}

const cached = async (): Promise<string[]> =>
  (await readdir(join(folder, "cache"))).map((name) => join(folder, "cache", name));

describe("loading the definition", () => {
  test("gives the deployed machine with local names, the same from the cache", async () => {
    const cacheFolder = join(folder, "cache");
    const first = await loadDefinition({ cacheFolder });
    expect(Object.keys(first.States).sort()).toEqual(
      ["Open", "Next", "Train", "Review", "Recover", "Wait", "Continue", "Done", "Failed", "Unknown"].sort(),
    );
    expect(first.States.Open).toMatchObject({
      Resource: "arn:aws:states:::lambda:invoke",
      Parameters: { FunctionName: "arn:aws:lambda:local:000000000000:function:FunctionsOpen" },
    });
    expect(first.States.Train).toMatchObject({
      Parameters: {
        "JobQueue.$": "States.Format('Pawl-{}', $.train.market)",
        "JobDefinition.$": "States.Format('Pawl-{}', $.train.definition)",
      },
    });
    expect(JSON.stringify(first)).not.toMatch(/Token\[|AWS::|Fn::/);
    expect(await loadDefinition({ cacheFolder })).toEqual(first);
    expect(await cached()).toHaveLength(1);
  });

  test("works from any folder, and loads nothing of CDK once it is kept", async () => {
    await loadDefinition();
    const script = `
      import { registerHooks } from "node:module";
      registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });
      const { loadDefinition } = await import(${JSON.stringify(new URL("./definition.ts", import.meta.url).href)});
      console.log(Object.keys((await loadDefinition()).States).join());`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      cwd: folder,
    });
    expect(stdout).toContain("local/definition.ts");
    expect(stdout).toContain("Open,");
    expect(stdout).not.toMatch(/aws-cdk-lib|node_modules\/constructs|\/cdk\//);
  });

  test("synthesises once for many starts, and again when an imported file changes", async () => {
    const { app, runs } = await smallApp();
    const options = { app, cacheFolder: join(folder, "cache") };
    expect(await loadDefinition(options)).toEqual(small);
    expect(await loadDefinition(options)).toEqual(small);
    expect(await runs()).toBe(1);
    await writeFile(join(folder, "names.ts"), 'export const name = "two";');
    expect(await loadDefinition(options)).toEqual(small);
    expect(await runs()).toBe(2);
  });

  test("is the same from a copy of the sources elsewhere", async () => {
    const { app, runs } = await smallApp();
    const cacheFolder = join(folder, "cache");
    await loadDefinition({ app, cacheFolder });
    const elsewhere = join(folder, "elsewhere");
    await cp(app, join(elsewhere, "app.mjs"));
    await cp(join(folder, "names.ts"), join(elsewhere, "names.ts"));
    await loadDefinition({ app: join(elsewhere, "app.mjs"), cacheFolder });
    expect(await runs()).toBe(1);
  });

  test("synthesises again where what was kept is damaged, and mends it", async () => {
    const { app, runs } = await smallApp();
    const options = { app, cacheFolder: join(folder, "cache") };
    await loadDefinition(options);
    const [kept = ""] = await cached();
    const whole = await readFile(kept, "utf8");
    const damages = [
      "",
      "x",
      whole.slice(0, -5),
      whole.replace("Done", "Gone"),
      whole.replaceAll("Succeed", "Pass"),
    ];
    for (const [index, damaged] of damages.entries()) {
      await writeFile(kept, damaged);
      expect(await loadDefinition(options)).toEqual(small);
      expect(await runs()).toBe(index + 2);
      expect(await readFile(kept, "utf8")).toBe(whole);
    }
  });

  test("many starts at once all get it, and leave one whole file", async () => {
    const { app } = await smallApp();
    const options = { app, cacheFolder: join(folder, "cache") };
    const all = await Promise.all(Array.from({ length: 6 }, () => loadDefinition(options)));
    expect(all).toEqual(Array.from({ length: 6 }, () => small));
    expect(await cached()).toHaveLength(1);
  });

  test("goes on where nothing can be kept", async () => {
    const { app } = await smallApp();
    await writeFile(join(folder, "file"), "");
    expect(await loadDefinition({ app, cacheFolder: join(folder, "file", "cache") })).toEqual(small);
  });

  test("a CDK app that fails is told with its own last words, and nothing is kept", async () => {
    const app = join(folder, "app.mjs");
    await writeFile(app, 'throw new Error("no such bucket construct");');
    const load = loadDefinition({ app, cacheFolder: join(folder, "cache") });
    await expect(load).rejects.toMatchObject({
      code: "DEFINITION_FAILED",
      message: expect.stringContaining("no such bucket construct"),
    });
    await expect(cached()).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a CDK app that writes nothing is DEFINITION_FAILED", async () => {
    const app = join(folder, "app.mjs");
    await writeFile(app, "");
    await expect(loadDefinition({ app, cacheFolder: folder })).rejects.toMatchObject({
      code: "DEFINITION_FAILED",
    });
  });

  test("a machine that would be misread here is refused, though AWS would run it", async () => {
    const { app } = await smallApp({ ...small, QueryLanguage: "JSONata" });
    await expect(loadDefinition({ app, cacheFolder: folder })).rejects.toMatchObject({
      code: "DEFINITION_UNSUPPORTED",
    });
  });
});

describe("reading a template", () => {
  const machine = (DefinitionString: unknown) => ({
    Type: "AWS::StepFunctions::StateMachine",
    Properties: { DefinitionString },
  });

  test("a reference without a local name is refused, not guessed", () => {
    const definition = { "Fn::Join": ["", ['{"StartAt":"', { Ref: "Bucket" }, '"}']] };
    const template = { Resources: { Machine: machine(definition), Bucket: { Type: "AWS::S3::Bucket" } } };
    expect(() => definitionFrom(template)).toThrow(/no local name: \{"Ref":"Bucket"\}/);
  });

  test.each([
    ["no machine", {}],
    ["two machines", { A: machine("{}"), B: machine("{}") }],
    ["a definition that is no JSON", { A: machine("{") }],
  ])("%s is DEFINITION_FAILED", (_what, Resources) => {
    expect(() => definitionFrom({ Resources })).toThrow(
      expect.objectContaining({ code: "DEFINITION_FAILED" }),
    );
  });
});
