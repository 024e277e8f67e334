import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { nameFrom } from "../cli/init.ts";
import { Summary } from "../cli/summary.ts";
import { TrainingJob } from "../core/job.ts";
import { Name } from "../core/names.ts";
import { filesBelow, pawl, root, startPawl, temporaryFolder } from "./pawl.ts";
import { project, saying } from "./projects.ts";
import { makeTrainerProject } from "./trainer-project.ts";

const kinds = [
  { kind: "python", script: "train.py" },
  { kind: "javascript", script: "train.mjs" },
  { kind: "shell", script: "train.sh" },
  { kind: "pytorch", script: "train.py" },
] as const;

/** As somebody's own project, in which `pawl/trainer` is found. */
let home: ReturnType<typeof makeTrainerProject>;
beforeAll(() => {
  home = makeTrainerProject();
});
afterAll(() => home?.[Symbol.dispose]());

describe.concurrent.each(kinds)("pawl init --trainer $kind", ({ kind, script }) => {
  it("writes a job that is valid, with its trainer and its schema, and says what to do next", async () => {
    await using folder = await temporaryFolder();
    const ran = await pawl(["init", "my moons", "--trainer", kind], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain("job my-moons is in my moons");
    expect(ran.stdout).toMatch(/Now:\n {2}cd 'my moons'\n(?: {2}.*\n)? {2}pawl train\n$/);
    const there = join(folder.path, "my moons");
    const names = ["pawl.schema.json", "pawl.yaml", script];
    expect((await filesBelow(there)).sort()).toEqual(names.map((name) => join(there, name)).sort());
    const validated = await pawl(["validate", "--json"], { cwd: there });
    expect(JSON.parse(validated.stdout)).toMatchObject({ valid: true, warnings: [] });
    const schema = await pawl(["schema"]);
    expect(await readFile(join(there, "pawl.schema.json"), "utf8")).toBe(schema.stdout);
  });

  it("shows the defaults as they are", async () => {
    await using folder = await temporaryFolder();
    await pawl(["init", ".", "--name", "x", "--trainer", kind], { cwd: folder.path });
    const text = await readFile(join(folder.path, "pawl.yaml"), "utf8");
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/pawl\.schema\.json\n/);
    const shown = text.replaceAll(/^# ([a-z]+[A-Za-z]*: )/gm, "$1");
    const commented = Object.keys(parse(shown)).filter((field) => !Object.hasOwn(parse(text), field));
    expect(commented.sort()).toEqual(["compute", "env", "learningRate", "retry", "seed", "segment"]);
    expect(TrainingJob.parse(parse(shown))).toEqual(TrainingJob.parse(parse(text)));
  });
});

describe.concurrent.each(kinds.filter(({ kind }) => kind !== "pytorch"))(
  "what pawl init --trainer $kind writes",
  ({ kind }) => {
    const model = kind === "shell" ? "model.txt" : "model.json";

    /** Inits and gives the job more epochs, so that there is time to kill it. */
    async function written(name: string): Promise<string> {
      const folder = join(home.folder, `${kind}-${name}`);
      const ran = await pawl(["init", folder, "--trainer", kind, "--name", "moons"]);
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stdout).not.toContain("npm install");
      const file = join(folder, "pawl.yaml");
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace("epochs: 10", "epochs: 40").replace(/^stop: .*$/m, ""));
      return folder;
    }

    /** Trains to the end; gives the summary and the bytes of the last checkpoint. */
    async function finish(folder: string) {
      const ran = await pawl(["train", "--json"], { cwd: folder });
      expect(ran.code, ran.stderr).toBe(0);
      const summary = Summary.parse(JSON.parse(ran.stdout));
      return { summary, bytes: await readFile(join(summary.checkpoints.at(-1)?.address ?? "", model)) };
    }

    it("learns, and goes on after kill -9 to the very bytes of a run that was left alone", async () => {
      const whole = await finish(await written("whole"));
      expect(whole.summary).toMatchObject({ status: "finished", epoch: 40, attempts: 1 });
      expect(whole.summary.metrics.accuracy).toBeGreaterThan(0.95);
      const folder = await written("killed");
      const running = startPawl(["train"], { cwd: folder });
      await saying(running, "epoch 3 is committed");
      running.child.kill("SIGKILL");
      expect((await running.done).signal).toBe("SIGKILL");
      const resumed = await finish(folder);
      expect(resumed.summary).toMatchObject({ status: "finished", epoch: 40, attempts: 2 });
      expect(resumed.bytes.equals(whole.bytes)).toBe(true);
    });
  },
);

describe.concurrent("pawl init", () => {
  it("overwrites nothing, names what is there, and writes nothing else then", async () => {
    for (const name of ["pawl.yaml", "train.py", "pawl.schema.json"]) {
      await using folder = await project({ [name]: "mine\n" });
      const ran = await pawl(["init", "--json"], { cwd: folder.path });
      expect(ran.code).toBe(2);
      expect(JSON.parse(ran.stdout).error).toMatchObject({
        code: "DESTINATION_EXISTS",
        message: expect.stringContaining(join(folder.path, name)),
      });
      expect(await filesBelow(folder.path)).toEqual([join(folder.path, name)]);
      expect(await readFile(join(folder.path, name), "utf8")).toBe("mine\n");
    }
  });

  it("keeps the store out of git where there is a repository, once, and leaves other lines alone", async () => {
    await using folder = await project({ ".git/HEAD": "", ".gitignore": "*.log", "sub/.gitignore": "" });
    for (const [where, before] of [
      [".", "*.log\n"],
      ["sub", ""],
      ["sub/new", ""],
    ] as const) {
      const ran = await pawl(["init", where, "--json"], { cwd: folder.path });
      const written = await readFile(join(folder.path, where, ".gitignore"), "utf8").catch(() => undefined);
      // The entry of the folder above holds for those below.
      expect(written).toBe(where === "." ? `${before}.pawl/\n` : where === "sub" ? "" : undefined);
      expect(JSON.parse(ran.stdout).files.includes(".gitignore")).toBe(where === ".");
    }
  });

  it("leaves .gitignore alone where there is no repository", async () => {
    await using folder = await project({ ".gitignore": "*.log\n" });
    expect((await pawl(["init"], { cwd: folder.path })).code).toBe(0);
    expect(await readFile(join(folder.path, ".gitignore"), "utf8")).toBe("*.log\n");
  });

  it("takes back what it wrote when the last file cannot be written", async () => {
    await using folder = await project({ ".git/HEAD": "", "there/.gitignore/odd": "" });
    const ran = await pawl(["init", "there", "--json"], { cwd: folder.path });
    expect(ran.code).toBe(2);
    expect(JSON.parse(ran.stdout).error.message).toContain(join(folder.path, "there", ".gitignore"));
    expect(await filesBelow(join(folder.path, "there"))).toEqual([join(folder.path, "there/.gitignore/odd")]);
  });

  it("that comes twice at the same time writes one of the two, whole", async () => {
    await using folder = await temporaryFolder();
    const both = ["python", "shell"].map((kind) =>
      pawl(["init", "there", "--trainer", kind], { cwd: folder.path }),
    );
    const [python, shell] = await Promise.all(both);
    expect([python?.code, shell?.code].sort()).toEqual([0, 2]);
    const script = python?.code === 0 ? "train.py" : "train.sh";
    const names = ["pawl.schema.json", "pawl.yaml", script].map((name) => join(folder.path, "there", name));
    expect((await filesBelow(folder.path)).sort()).toEqual(names);
    expect(await readFile(join(folder.path, "there", "pawl.yaml"), "utf8")).toContain(script);
  });

  it("tells programs what it did with --json", async () => {
    await using folder = await temporaryFolder();
    const ran = await pawl(["init", "there", "--json"], { cwd: folder.path });
    expect(JSON.parse(ran.stdout)).toEqual({
      folder: join(folder.path, "there"),
      name: "there",
      trainer: "python",
      files: ["train.py", "pawl.schema.json", "pawl.yaml"],
      next: ["cd there", "pawl train"],
    });
  });

  it("says how a JavaScript trainer finds its helper where it does not", async () => {
    await using folder = await temporaryFolder();
    const ran = await pawl(["init", "--trainer", "javascript"], { cwd: folder.path });
    expect(ran.stdout).toContain(`npm install ${root.replace(/\/$/, "")}`);
  });
});

describe("a job that is named after its folder", () => {
  it.each([
    ["/home/me/digits", "digits"],
    ["/home/me/My digits!", "My-digits"],
    ["/home/me/über-modèle", "uber-modele"],
    ["/home/me/.hidden", "hidden"],
    ["/home/me/--x__", "x__"],
    ["/home/me/模型", "job"],
    ["/", "job"],
    [`/home/me/${"a".repeat(200)}`, "a".repeat(50)],
  ])("%s is called %s", (folder, name) => {
    expect(nameFrom(folder)).toBe(name);
    expect(Name.safeParse(nameFrom(folder)).success).toBe(true);
  });
});
