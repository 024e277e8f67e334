import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { filesBelow, pawl, root } from "./pawl.ts";
import { expectPlainWords, project } from "./projects.ts";

const Answer = z.strictObject({
  valid: z.literal(false),
  problems: z.array(
    z.strictObject({
      field: z.string(),
      line: z.int().min(1).optional(),
      column: z.int().min(1).optional(),
      value: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional(),
      message: z.string().min(1),
      next: z.string().regex(/\.$/),
    }),
  ),
  error: z.strictObject({ code: z.literal("JOB_INVALID"), message: z.string(), next: z.string() }),
});

/** What is told to programs of a job file with this text, which is also what people are told. */
async function problemsOf(text: string) {
  await using folder = await project({ "pawl.yaml": text });
  const ran = await pawl(["validate", "--json"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(2);
  expectPlainWords(ran);
  const { problems, error } = Answer.parse(JSON.parse(ran.stdout));
  expect(ran.stderr).toBe(`error: ${error.message}\n${error.next}\n`);
  // One path: nothing else is refused, or told otherwise, by who would train it.
  const trained = await pawl(["train"], { cwd: folder.path });
  expect(trained).toEqual({ ...ran, stdout: "" });
  expect(await filesBelow(folder.path)).toEqual([join(folder.path, "pawl.yaml")]);
  return problems;
}

describe.concurrent("pawl validate", () => {
  it("tells all problems at once, each with its place, value and next step", async () => {
    const text = `# A comment, and what is wrong with the job.
name: a b
commnd: [x]
command:
  - sh
  - 5
  - "{batchSize}"
epochs: 0
checkpoint:
  keep: 2
  best: {metric: loss, mode: mim}
learningRate: {scaling: linear, referenceBatchSize: 8}
stop:
  metric: loss
env: {PAWL_X: "1"}
data: nowhere
`;
    const told = (await problemsOf(text)).map(({ field, line, column, value, next }) => [
      field,
      `${line}:${column}`,
      value,
      next,
    ]);
    expect(told).toEqual([
      ["name", "2:7", "a b", "Correct name."],
      ["commnd", "3:1", undefined, "Write command instead of commnd."],
      ["command[1]", "6:5", 5, "Correct command[1]."],
      ["epochs", "8:9", 0, "Correct epochs."],
      ["checkpoint.best.mode", "11:30", "mim", "Write min instead of mim."],
      ["learningRate.scaling", "12:25", "linear", "Correct learningRate.scaling."],
      ["stop.mode", "13:1", undefined, "Add stop.mode."],
      ["env.PAWL_X", "15:7", undefined, "Remove env.PAWL_X, or correct its name."],
      ["data", "16:7", "nowhere", "Make the folder, or correct data."],
    ]);
  });

  it("tells what several fields together do wrong even where others are wrong by themselves", async () => {
    const problems = await problemsOf('name: x\ncommand: [sh, "{batchSize}"]\nepochs: zero\n');
    expect(problems.map(({ field, message }) => `${field}: ${message}`)).toEqual([
      "command[1]: {batchSize} has no value: give batchSize too",
      'epochs: must be a number; it is "zero"',
    ]);
    // What is wrong is not taken for missing.
    const wrongSize = await problemsOf('name: x\ncommand: [sh, "{batchSize}"]\nepochs: 3\nbatchSize: zero\n');
    expect(wrongSize.map(({ field }) => field)).toEqual(["batchSize"]);
  });

  it("finds places through aliases, in JSON, and for what is missing altogether", async () => {
    const aliased = await problemsOf(
      "name: x\ncommand: [x]\nepochs: 3\ncheckpoint: {best: &goal {metric: loss, mode: no}}\nstop: *goal\n",
    );
    expect(aliased.map(({ field, line, column }) => `${field} ${line}:${column}`)).toEqual([
      "checkpoint.best.mode 4:47",
      "stop.mode 4:47",
    ]);
    const json = await problemsOf('{"name": "x",\n "command": ["x"],\n "epochs": "3"}\n');
    expect(json).toMatchObject([{ field: "epochs", line: 3, column: 12, value: "3" }]);
    const missing = await problemsOf("# nothing but a name\n\nname: x\n");
    expect(missing).toMatchObject([
      { field: "command", line: 3, column: 1, next: "Add command." },
      { field: "epochs", line: 3, column: 1, next: "Add epochs." },
    ]);
  });

  it("tells all that the parser finds, with its places", async () => {
    const problems = await problemsOf("name: x\nname: y\nepochs: 3\nepochs: 4\n");
    expect(problems.map(({ line, column, message }) => `${line}:${column} ${message}`)).toEqual([
      '2:1 "name" is given twice: a field\'s name must be unique',
      '4:1 "epochs" is given twice: a field\'s name must be unique',
    ]);
  });

  it("repeats no more of a value than one can read, and no terminal's commands", async () => {
    const [problem] = await problemsOf(`name: ${"y".repeat(5000)}\ncommand: [x]\nepochs: 3\n`);
    expect(String(problem?.value)).toHaveLength(200);
    expect(problem?.message.length).toBeLessThan(200);
    const [odd] = await problemsOf('name: x\ncommand: [x]\nepochs: 3\n"\\e[2J\\nepoch": 4\n');
    expect(odd?.message).toMatch(/is not a known field/);
  });

  it("says how a good job is understood, with what goes without saying", async () => {
    const job = join(root, "examples", "digits", "pawl.yaml");
    const ran = await pawl(["validate", job]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toMatch(/pawl\.yaml is valid\n/);
    for (const words of [
      "node train.mjs",
      "32, fixed",
      "the newest 3",
      "or epoch 10",
      "up to 1.0 s apart, later up to 5 min",
    ]) {
      expect(ran.stdout).toContain(words);
    }
    const told = JSON.parse((await pawl(["validate", job, "--json"])).stdout);
    expect(told).toMatchObject({
      valid: true,
      job: { name: "digits", segment: "auto", retry: { failuresWithoutProgress: 5 } },
      warnings: [],
    });
  });

  it.each([
    ["a program that is not there", "[no-such-program]", ['command[0]: "no-such-program"', "in PATH"]],
    [
      "a file that is not there",
      "[./no.sh]",
      ['command[0]: "./no.sh"', "no such file in the job file's folder"],
    ],
    ["a file that cannot be executed", "[./plain.txt]", ['command[0]: "./plain.txt"', "not executable"]],
    ["a script that is not there", "[python3, trian.py]", ['command[1]: there is no file "trian.py"']],
  ])("warns of %s, and takes the job nevertheless", async (_, command, says) => {
    await using folder = await project({
      "pawl.yaml": `name: x\ncommand: ${command}\nepochs: 3\ncompute: {gpus: 2}\n`,
      "plain.txt": "",
    });
    await chmod(join(folder.path, "plain.txt"), 0o644);
    const ran = await pawl(["validate", "--json"], { cwd: folder.path });
    expect(ran.code).toBe(0);
    const { warnings } = JSON.parse(ran.stdout);
    expect(warnings).toHaveLength(2);
    for (const words of says) expect(warnings[0]).toContain(words);
    expect(warnings[1]).toContain("compute: acts only on AWS");
    const people = await pawl(["validate"], { cwd: folder.path });
    expect(people.stderr).toBe(warnings.map((warning: string) => `warning: ${warning}\n`).join(""));
  });

  it("warns of a folder to begin from that is not there", async () => {
    const text = "name: x\ncommand: [sh, -c, exit]\nepochs: 3\ncheckpoint: {from: ./base}\n";
    await using folder = await project({ "pawl.yaml": text });
    const ran = await pawl(["validate"], { cwd: folder.path });
    expect(ran).toMatchObject({
      code: 0,
      stderr: 'warning: checkpoint.from: there is no folder "./base" here\n',
    });
    expect(ran.stdout).toContain("begins from ./base");
  });

  it.each([
    "[sh, -c, 'exit 0']",
    "[python3, -m, http.server]",
    '[sh, "train-{epoch}.sh"]',
    "[./run.sh, anything.py]",
    "[tool]",
  ])("does not warn of %s", async (command) => {
    await using folder = await project({
      "pawl.yaml": `name: x\ncommand: ${command}\nepochs: 3\nenv: {PATH: "bin:${process.env.PATH}"}\n`,
      "run.sh": "",
      "bin/tool": "",
    });
    for (const file of ["run.sh", "bin/tool"]) await chmod(join(folder.path, file), 0o755);
    const ran = await pawl(["validate", "--json"], { cwd: folder.path });
    expect(JSON.parse(ran.stdout)).toMatchObject({ valid: true, warnings: [] });
  });
});
