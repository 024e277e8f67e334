import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { filesBelow, pawl, processesNaming, root } from "./pawl.ts";
import {
  changeJob,
  countProject,
  expectPlainWords,
  modelEpochs,
  type Project,
  project,
  pulledEpochs,
  shown,
  shownText,
  upTo,
} from "./projects.ts";

const fields = { name: "x", command: "[sh, train.sh]", epochs: "3" };

/** A job file with `more` on top of what is needed; `undefined` leaves a field out. */
const jobText = (more: Readonly<Record<string, string | undefined>>): string =>
  Object.entries({ ...fields, ...more })
    .flatMap(([field, value]) => (value === undefined ? [] : [`${field}: ${value}\n`]))
    .join("");

interface BadJob {
  readonly what: string;
  readonly text: string;
  /** What the message says; each of these. */
  readonly says: readonly string[];
}

const badJobs: readonly BadJob[] = [
  { what: "is not YAML", text: "name: [x\nepochs: 3\n", says: ["is not YAML", "line 2", "Correct the line"] },
  {
    what: "is two documents",
    text: `${jobText({})}---\n${jobText({})}`,
    says: ["is not YAML", "multiple documents"],
  },
  { what: "names a field twice", text: `${jobText({})}epochs: 4\n`, says: ["is not YAML", "unique"] },
  {
    what: "is a YAML bomb",
    text: `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(9)}]\n`).join("")}`,
    says: ["is not YAML", "alias"],
  },
  { what: "is too deep", text: `${"[".repeat(20_000)}`, says: ["is not YAML"] },
  { what: "is empty", text: "", says: ["must be fields such as {name: value}", "it is empty"] },
  { what: "is a list", text: "[1, 2]", says: ["must be fields such as {name: value}", "it is [1,2]"] },
  {
    what: "has its command as a text",
    text: jobText({ command: "python3 train.py" }),
    says: ["command must be a list such as [python3, train.py]", 'it is "python3 train.py"'],
  },
  {
    what: "has a pipe in its command",
    text: jobText({ command: '"python3 train.py | tee log"' }),
    says: ['command must be a list such as [sh, -c, "python3 train.py | tee log"]'],
  },
  { what: "has no command", text: jobText({ command: undefined }), says: ["command is missing"] },
  {
    what: "has an empty command",
    text: jobText({ command: "[]" }),
    says: ["command must name a program", "[]"],
  },
  {
    what: "has epochs as a text",
    text: jobText({ epochs: '"3"' }),
    says: ['epochs must be a number; it is "3"'],
  },
  {
    what: "has half an epoch",
    text: jobText({ epochs: "1.5" }),
    says: ["epochs must be a whole number; it is 1.5"],
  },
  {
    what: "has a batch size of 0",
    text: jobText({ batchSize: "0" }),
    says: ["batchSize must be at least 1; it is 0"],
  },
  {
    what: "has an unknown policy",
    text: jobText({ batchSize: "{policy: goodput}" }),
    says: ['batchSize.policy must be one of fixed, schedule; it is "goodput"'],
  },
  {
    what: "has an unknown field",
    text: jobText({ epoch: "3" }),
    says: ["epoch is not a known field; did you mean epochs?"],
  },
  {
    what: "has an unknown field inside another",
    text: jobText({ checkpoint: "{best: {metric: loss, mod: min}}" }),
    says: ["checkpoint.best.mod is not a known field; did you mean mode?", "checkpoint.best.mode is missing"],
  },
  {
    what: "misspells a word",
    text: jobText({ stop: "{metric: loss, mode: mim}" }),
    says: ['stop.mode must be one of min, max (did you mean min?); it is "mim"'],
  },
  {
    what: "scales by a batch size that it does not have",
    text: jobText({ learningRate: "{scaling: linear, referenceBatchSize: 8}" }),
    says: ["learningRate.scaling 'linear' follows the batch size: give batchSize too"],
  },
  {
    what: "uses a variable that has no value",
    text: jobText({ command: '[train, "{batchSize}"]' }),
    says: ["command[1] {batchSize} has no value: give batchSize too"],
  },
  {
    what: "misspells a duration",
    text: jobText({ retry: "{baseDelay: 5 minutes}" }),
    says: ['retry.baseDelay must be a duration such as 30s, 5min or 2h; it is "5 minutes"'],
  },
  {
    what: "sets a variable of Pawl's own",
    text: jobText({ env: '{PAWL_EPOCH: "1"}' }),
    says: ["env.PAWL_EPOCH", "names that begin with PAWL_ are Pawl's own"],
  },
  {
    what: "has an odd name",
    text: jobText({ name: "../x" }),
    says: ["name must be 1 to 60 letters", 'it is "../x"'],
  },
  ...["../x", "/etc", "a/../../b"].map((data) => ({
    what: `has its data at ${data}`,
    text: jobText({ data }),
    says: ["data must be a path inside the job file's folder", JSON.stringify(data)],
  })),
  {
    what: "has data that is not there",
    text: jobText({ data: "nowhere" }),
    says: ["data", '"nowhere"', "is not a folder"],
  },
  {
    what: "has a file as its data",
    text: jobText({ data: "pawl.yaml" }),
    says: ["data", '"pawl.yaml"', "is not a folder"],
  },
  {
    what: "is far too long",
    text: `${jobText({})}# ${"x".repeat(1_100_000)}`,
    says: ["pawl.yaml has 1100", "at most 1048576"],
  },
];

describe.concurrent("a job file that", () => {
  it.each(badJobs)("$what is refused before anything is started", async ({ text, says }) => {
    await using folder = await project({ "pawl.yaml": text });
    const ran = await pawl(["train"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expectPlainWords(ran);
    expect(ran.stderr).toMatch(/^error: pawl\.yaml/);
    for (const words of says) expect(ran.stderr).toContain(words);
    expect(await filesBelow(folder.path)).toEqual([join(folder.path, "pawl.yaml")]);
  });

  it.each([
    { what: "is not there", file: "no.yaml", says: ["no.yaml", "there is no such file", "pawl train FILE"] },
    { what: "is a folder", file: "sub", says: ["sub is a folder", "pawl train sub/pawl.yaml"] },
    { what: "is below a file", file: "pawl.yaml/x", says: ["pawl.yaml/x", "not a folder"] },
  ])("$what is named", async ({ file, says }) => {
    await using folder = await project({ "pawl.yaml": jobText({}), "sub/x": "" });
    const ran = await pawl(["train", file], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expectPlainWords(ran);
    for (const words of says) expect(ran.stderr).toContain(words);
  });

  it("is wrong in many ways is told all of them at once, and as JSON with --json", async () => {
    await using folder = await project({ "pawl.yaml": jobText({ epochs: "0", seed: "-1", nme: "x" }) });
    const ran = await pawl(["train", "--json"], { cwd: folder.path });
    expect(ran.code).toBe(2);
    const { error } = JSON.parse(ran.stdout);
    expect(error).toMatchObject({ code: "JOB_INVALID", next: expect.stringContaining("Correct") });
    const named = error.details.problems.map(({ field }: { field: string }) => field);
    expect(named.sort()).toEqual(["epochs", "nme", "seed"]);
  });
});

describe.concurrent("a run's name with odd characters", () => {
  it.each([
    ["../x", "train"],
    ["a b", "resume"],
    ["a/b", "show"],
    ["-x", "pull"],
    ["ä", "train"],
    [".", "show"],
    ["x".repeat(61), "train"],
    ["a\nb", "resume"],
    ["", "show"],
  ])("%j is refused by pawl %s", async (name, command) => {
    await using folder = await countProject({ epochs: "1" });
    const more = command === "pull" ? ["--to", "there"] : [];
    const args = command === "train" ? [command, `--run=${name}`] : [command, ...more, "--", name];
    const ran = await pawl(args, { cwd: folder.path });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain(
      `${JSON.stringify(name)} cannot be a run's name: it must be 1 to 60 letters`,
    );
    expectPlainWords(ran);
    expect(await filesBelow(join(folder.path, ".pawl"))).toEqual([]);
  });
});

describe.concurrent("a store that cannot be written", () => {
  it.each([
    {
      what: "a file in its place",
      store: "count.sh",
      code: 1,
      says: ["count.sh", "a file is where a folder should be"],
    },
    {
      what: "a folder below a file",
      store: "count.sh/x",
      code: 1,
      says: ["count.sh/x", "a file is where a folder should be"],
    },
    { what: "a place where nothing can be made", store: "/proc/pawl/runs", code: 1, says: ["/proc/pawl"] },
    {
      what: "a bucket",
      store: "s3://bucket/runs",
      code: 2,
      says: ["s3://bucket/runs", "not part of this version"],
    },
    { what: "an unknown scheme", store: "ftp://host/runs", code: 2, says: ["ftp:"] },
  ])("$what is named, and what to do", async ({ store, code, says }) => {
    await using folder = await countProject({ epochs: "1" });
    const before = await readFile(join(folder.path, "count.sh"), "utf8");
    const ran = await pawl(["train", "--store", store], { cwd: folder.path });
    expect(ran).toMatchObject({ code, stdout: "" });
    for (const words of says) expect(ran.stderr).toContain(words);
    expect(ran.stderr.trimEnd().split("\n").at(-1)).toMatch(/[Nn]ame (a|another) folder/);
    expectPlainWords(ran);
    expect(await readFile(join(folder.path, "count.sh"), "utf8")).toBe(before);
  });
});

interface BadTrainer {
  readonly what: string;
  readonly command: string;
  readonly class: string;
  readonly attempts?: number;
  /** What stderr says. */
  readonly says: readonly string[];
}

const python = (script: string) => `[python3, ${join(root, "test", "fixtures", "bad-trainers", script)}]`;
const shell = (script: string) => `[sh, -c, ${JSON.stringify(script)}]`;
const nothingSaved = ["epoch.checkpoint(save)", "PAWL_CHECKPOINT_DIR", "checkpoint: none"];

const badTrainers: readonly BadTrainer[] = [
  {
    what: "exits with 1",
    command: shell("echo the data is gone >&2; exit 1"),
    class: "user-exception",
    attempts: 2,
    says: ["the trainer exited with code 1", "│ the data is gone", "gave up: failed 2 times", "correct it"],
  },
  {
    what: "fails and prints nothing",
    command: "[sh, -c, exit 7]",
    class: "user-exception",
    attempts: 2,
    says: ["the trainer exited with code 7; it printed nothing"],
  },
  {
    what: "writes no checkpoint",
    command: shell("rm -f $PAWL_CHECKPOINT_DIR/*"),
    class: "no-checkpoint",
    says: nothingSaved,
  },
  {
    what: "removes the checkpoint's folder",
    command: shell("rm -rf $PAWL_CHECKPOINT_DIR"),
    class: "no-checkpoint",
    says: nothingSaved,
  },
  {
    what: "saves nothing through the helper",
    command: python("saves_nothing.py"),
    class: "no-checkpoint",
    says: ["epoch 3 was trained without saving a checkpoint", ...nothingSaved],
  },
  {
    what: "saves a link that points out of the checkpoint",
    command: shell(
      "ln -s /etc/passwd $PAWL_CHECKPOINT_DIR/stolen; ln -s ../../../.. $PAWL_CHECKPOINT_DIR/up",
    ),
    class: "no-checkpoint",
    says: ["stolen", "symbolic link"],
  },
  {
    what: "saves what is no file",
    command: shell("mkfifo $PAWL_CHECKPOINT_DIR/pipe"),
    class: "no-checkpoint",
    says: ["pipe", "cannot be copied", "PAWL_CHECKPOINT_DIR"],
  },
  {
    what: "speaks another version of the protocol",
    command: python("other_version.py"),
    class: "trainer-protocol",
    says: [
      "tomorrow 9.9 speaks protocol version 99, this agent speaks version 1",
      "docs/trainer-protocol.md",
    ],
  },
  {
    what: "does not speak the protocol",
    command: python("garbage.py"),
    class: "trainer-protocol",
    says: ["docs/trainer-protocol.md"],
  },
  {
    what: "ends before it is told to",
    command: python("ends_early.py"),
    class: "user-exception",
    attempts: 2,
    says: ["ended by itself in epoch 3"],
  },
  {
    what: "is not there",
    command: "[no-such-program]",
    class: "image-or-command-error",
    says: ["'no-such-program' cannot be started", "no such program", "Correct 'command'"],
  },
  {
    what: "cannot be executed",
    command: "[./plain.txt]",
    class: "image-or-command-error",
    says: ["'./plain.txt' cannot be started: it is not executable"],
  },
  {
    what: "is killed",
    command: shell("kill -9 $$"),
    class: "unknown",
    attempts: 2,
    says: ["killed by SIGKILL", "memory"],
  },
  {
    what: "crashes",
    command: shell("kill -SEGV $$"),
    class: "segfault/native-crash",
    attempts: 2,
    says: ["killed by SIGSEGV"],
  },
  {
    what: "writes metrics that are not JSON",
    command: shell("echo x >> $PAWL_CHECKPOINT_DIR/model.txt; echo loss=1 > $PAWL_METRICS_FILE"),
    class: "user-exception",
    attempts: 2,
    says: ["PAWL_METRICS_FILE must hold one JSON object of metrics"],
  },
];

/** A run with two committed epochs, and its job file with four. */
async function halfTrained(): Promise<Project> {
  const folder = await countProject({ epochs: "2", retry: "{failuresWithoutProgress: 2, baseDelay: 0s}" });
  await writeFile(join(folder.path, "plain.txt"), "not a program\n");
  await chmod(join(folder.path, "plain.txt"), 0o644);
  const ran = await pawl(["train"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  await changeJob(folder, { epochs: "4" });
  return folder;
}

/** The run failed where it stood, and says why; what was committed is as it was. */
async function expectFailedAfterTwo(folder: Project, failed: { class: string; attempts: number }) {
  const run = await shown(folder, "count-1");
  expect(run).toMatchObject({ status: "failed", epoch: 2, attempts: 1 + failed.attempts });
  expect(run.failure).toMatchObject({ class: failed.class, attempt: 1 + failed.attempts });
  expect(run.checkpoints.map(({ name }) => name)).toEqual(["1-1", "2-1"]);
  expect(run.history.attempts.slice(1).map(({ result }) => result)).toEqual(
    Array(failed.attempts).fill(failed.class),
  );
  expect(run.history.decisions.at(-1)).toMatchObject({
    kind: "gave-up",
    reason: expect.stringContaining(failed.class),
  });
  expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(2));
  expect(await processesNaming(folder.path)).toEqual([]);
  expect(await filesBelow(join(folder.path, ".pawl", ".internal", "scratch"))).toEqual([]);
}

describe.concurrent("a trainer that", () => {
  it.each(badTrainers)("$what fails the run and costs nothing that was committed", async (bad) => {
    await using folder = await halfTrained();
    await changeJob(folder, { command: bad.command });
    const ran = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(100);
    expectPlainWords(ran);
    for (const words of bad.says) expect(ran.stderr).toContain(words);
    expect(ran.stdout).toMatch(/^count-1 failed\n/);
    expect(ran.stdout).toContain(bad.class);
    await expectFailedAfterTwo(folder, { class: bad.class, attempts: bad.attempts ?? 1 });
    const human = await shownText(folder, "count-1");
    expect(human).toContain(bad.class);
    expect(human).not.toMatch(/^\s+at /m);
  });

  it("is corrected goes on from the last commit, after any number of failures", async () => {
    await using folder = await halfTrained();
    for (const exit of [1, 2]) {
      await changeJob(folder, { command: shell(`exit ${exit}`) });
      expect((await pawl(["train", "--accept-changes"], { cwd: folder.path })).code).toBe(100);
    }
    await changeJob(folder, { command: "[sh, count.sh]" });
    const ran = await pawl(["train", "--accept-changes", "--json"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(0);
    const summary = Summary.parse(JSON.parse(ran.stdout));
    expect(summary).toMatchObject({ status: "finished", epoch: 4, attempts: 6 });
    expect(summary.failure).toBeUndefined();
    expect(await modelEpochs(summary.checkpoints.at(-1)?.address ?? "")).toEqual(upTo(4));
  });
});
