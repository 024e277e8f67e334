import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StandInAws, StandInExecution } from "../cli/testing/stand-in-aws.ts";
import type { FakeWorld } from "../lambdas/testing/fake-world.ts";
import { unpackCode } from "../store/code.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { filesIn } from "../store/testing/files.ts";
import { pawl, root, startPawl } from "./pawl.ts";
import type { Project } from "./projects.ts";
import { type StackScene, stackScene } from "./stack-scene.ts";

let aws: StandInAws;
let store: ObjectStore;
let world: FakeWorld;
let folder: Project;
let scene: StackScene;

/** Opens the run as the state machine would, by the real decision. */
async function open({ arn, name, input }: StandInExecution): Promise<void> {
  const { openRun } = await import("../lambdas/open.ts");
  const next = await openRun(world.ports())({ input, driver: { id: arn, execution: name } });
  const execution = aws.executions.find((each) => each.arn === arn);
  if (next.action !== "failed" || execution === undefined) {
    world.alive.add(arn);
    return;
  }
  Object.assign(execution, { status: "FAILED", error: next.error, cause: next.cause });
}

beforeEach(async () => {
  scene = await stackScene();
  ({ aws, store, world, folder } = scene);
  aws.stacks.push({ name: "Other", outputs: { Url: "x" } });
  aws.onStart = open;
});

afterEach(() => scene.end());

const start = (args: readonly string[] = [], more: { cwd?: string } = {}) =>
  pawl(["start", "--stack", "Pawl", "--yes", ...args], { cwd: folder.path, env: aws.env, ...more });

describe("pawl start", () => {
  it("shows the plan, uploads the code once, starts, and prints the run's name", async () => {
    const first = await start();
    expect(first).toMatchObject({ code: 0, stdout: "count-1\n" });
    for (const words of [
      "run count-1, job count",
      "on the stack Pawl in eu-west-1",
      "g4dn.xlarge",
      "USD an hour on spot",
      "no run of this job says yet how long an epoch takes",
      "2 files",
      "to be uploaded",
      "s3://pawl-bucket/checkpoints/count-1/",
      "pawl watch count-1 --stack Pawl",
    ])
      expect(first.stderr).toContain(words);
    const [execution] = aws.executions;
    expect(execution?.name).toMatch(/^count-1-[0-9a-f]{12}$/);
    const code = aws.bucket.keys().find((key) => key.startsWith("code/")) ?? "";
    expect(execution?.input).toEqual({
      job: expect.objectContaining({ name: "count", epochs: 6 }),
      run: "count-1",
      source: { code },
    });
    await unpackCode(store, code, join(folder.path, "unpacked"));
    const files = await filesIn(join(folder.path, "unpacked"));
    expect(files["count.sh"]).toBe(await readFile(join(folder.path, "count.sh"), "utf8"));
    await rm(join(folder.path, "unpacked"), { recursive: true });

    const second = await start(["--new"]);
    expect(second).toMatchObject({ code: 0, stdout: "count-2\n" });
    expect(second.stderr).toContain("there already");
    expect(aws.bucket.keys().filter((key) => key.startsWith("code/"))).toEqual([code]);
  });

  it("prints one JSON object, with the plan", async () => {
    const { code, stdout } = await start(["--json", "--run", "mine"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      run: "mine",
      execution: aws.executions[0]?.arn,
      stack: "Pawl",
      store: "s3://pawl-bucket",
      opened: true,
      plan: {
        instanceTypes: expect.arrayContaining([{ type: "g4dn.xlarge", usdPerHour: expect.any(Number) }]),
        code: { files: 2, isThere: false },
      },
    });
  });

  it("reckons the cost from how long an epoch took in an earlier run", async () => {
    const job = { name: "count", command: ["true"], epochs: 6, checkpoint: "none" };
    await world.open("local:x:old", { job, run: "count-1" });
    const of = { run: "count-1" };
    await world.claim(of);
    await world.report(1, { ...of, report: { epoch: 1, metrics: {}, seconds: 1800 } });
    await world.commit(1, { ...of, checkpoint: null });
    const { stderr } = await start(["--new"]);
    expect(stderr).toMatch(/about [\d.]+ USD for 6 epochs of 30 min 0 s, as in run count-1/);
  });

  it("goes on with the run that is unfinished, and refuses one that somebody trains", async () => {
    await start();
    const held = await start();
    expect(held.code).toBe(1);
    expect(held.stderr).toContain("run count-1 is being trained by execution count-1-");
    expect(held.stderr).toContain("pawl stop count-1 --stack Pawl");
    expect(aws.executions).toHaveLength(1);
    const [gone] = aws.executions;
    if (gone !== undefined) gone.status = "ABORTED";
    world.alive.clear();
    const again = await start();
    expect(again).toMatchObject({ code: 0, stdout: "count-1\n" });
    expect(aws.executions).toHaveLength(2);
  });

  it("tells what an execution was refused for", async () => {
    aws.onStart = async (execution) => {
      Object.assign(execution, {
        status: "FAILED",
        error: "Pawl.RunHeld",
        cause: "run count-1 is being trained by x",
      });
    };
    expect(await start()).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("being trained by x"),
    });
    aws.onStart = async (execution) => {
      const cause = JSON.stringify({ errorType: "Error", errorMessage: "the bucket is away" });
      Object.assign(execution, { status: "FAILED", error: "States.TaskFailed", cause });
    };
    expect(await start()).toMatchObject({ code: 1, stderr: expect.stringContaining("the bucket is away") });
    aws.onStart = async (execution) => {
      const cause = "the input's job is not a valid job:\n  image must be one of cuda; it is 'default'";
      Object.assign(execution, { status: "FAILED", error: "Pawl.JobInvalid", cause });
    };
    const invalid = await start();
    expect(invalid).toMatchObject({ code: 2, stdout: "" });
    expect(invalid.stderr).toContain(
      "it is 'default'\nCorrect the job file, and run the same command again.\n",
    );
  });

  it("takes the next name where somebody else begins a run of the same name at that moment", async () => {
    aws.onStart = async (execution) => {
      if (aws.executions.length === 1) {
        const job = { name: "count", command: ["true"], epochs: 1 };
        world.alive.add("local:x:other");
        await world.open("local:x:other", { job, run: "count-1" });
      }
      await open(execution);
    };
    const { code, stdout, stderr } = await start(["--new", "--json"]);
    expect(stderr).toContain("somebody else begins count-1 at this moment");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ run: "count-2", plan: { run: "count-2" } });
    expect(aws.executions.map(({ status }) => status)).toEqual(["FAILED", "RUNNING"]);
  });

  it("tells the run's name where nobody may ask after the execution", async () => {
    aws.refuses = { action: "DescribeExecution", error: "AccessDeniedException" };
    expect(await start()).toMatchObject({ code: 0, stdout: "count-1\n" });
  });

  it("uploads its code again where a prune took it before the run began", async () => {
    aws.onStart = async (execution) => {
      for (const key of aws.bucket.keys()) aws.bucket.remove(key);
      await open(execution);
    };
    expect(await start()).toMatchObject({ code: 0 });
    expect(aws.bucket.keys().filter((key) => key.startsWith("code/"))).toHaveLength(1);
  });

  it.each([
    ["y\r", 0, "started arn:"],
    ["\r", 101, "nothing was started, as you say"],
    ["\u0003", 101, "nothing was started, as you say"],
  ])("on a terminal asks first, and heeds %j", async (type, code, words) => {
    const { NO_COLOR: _none, CI: _ci, ...inherited } = process.env;
    const inTerminal = join(root, "test", "fixtures", "in-terminal.py");
    const typed = [inTerminal, "200", "Start it?", type, process.execPath, join(root, "cli", "main.ts")];
    const child = spawn("python3", [...typed, "start", "--stack", "Pawl"], {
      cwd: folder.path,
      env: { ...inherited, ...aws.env, TERM: "xterm-256color" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    const ended = await new Promise<number | null>((resolve) => child.once("close", resolve));
    expect(text).toContain(words);
    expect(ended).toBe(code);
    expect(aws.executions).toHaveLength(code === 0 ? 1 : 0);
    if (code !== 0) nothingDone();
  });

  it("with --wait follows it until it is over, and ends as it did", async () => {
    const job = { name: "count", command: ["true"], epochs: 1, checkpoint: "none" };
    await writeFile(join(folder.path, "pawl.yaml"), JSON.stringify(job));
    aws.onStart = async (execution) => {
      await open(execution);
      const of = { run: "count-1" };
      await world.claim(of);
      await world.report(1, of);
      await world.commit(1, { ...of, checkpoint: null });
      await world.trained(of);
    };
    const { code, stdout, stderr } = await start(["--wait"]);
    expect(stdout).toMatch(/^count-1\ncount-1 finished/);
    expect(stderr).toContain("started arn:");
    expect(code).toBe(0);
  });

  it("with --wait only leaves at Ctrl-C", async () => {
    const args = ["start", "--stack", "Pawl", "--yes", "--wait"];
    const { child, done } = startPawl(args, { cwd: folder.path, env: aws.env });
    let said = "";
    child.stderr?.on("data", (chunk) => {
      said += chunk;
    });
    // What it says where it follows.
    await expect.poll(() => said, { timeout: 30_000 }).toContain("training, by execution count-1-");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await done;
    expect(stdout).toBe("count-1\n");
    expect(stderr).toContain("no longer watching; training of run count-1 goes on");
    expect(code).toBe(0);
    expect(aws.executions[0]?.status).toBe("RUNNING");
  });

  it("at Ctrl-C while it is being started still tells of what it has started", async () => {
    const answered = Promise.withResolvers<void>();
    aws.beforeStarted = () => answered.promise;
    const { child, done } = startPawl(["start", "--stack", "Pawl", "--yes", "--json"], {
      cwd: folder.path,
      env: aws.env,
    });
    await expect.poll(() => aws.executions.length, { timeout: 30_000 }).toBe(1);
    child.kill("SIGINT");
    // Its answer comes when the signal has arrived.
    await sleep(3_000);
    answered.resolve();
    const { code, signal, stdout, stderr } = await done;
    expect(signal).toBeNull();
    expect(JSON.parse(stdout)).toMatchObject({ run: "count-1", execution: aws.executions[0]?.arn });
    expect(stderr).toContain("no longer waiting; run count-1 goes on");
    expect(code).toBe(0);
  });
});

/** Nothing was started, and nothing left in the bucket. */
function nothingDone(): void {
  expect(aws.executions).toEqual([]);
  expect(aws.bucket.keys()).toEqual([]);
}

const refused = async (args: readonly string[], code: number, ...words: readonly string[]) => {
  const ran = await pawl(["start", ...args], { cwd: folder.path, env: aws.env });
  for (const each of words) expect(ran.stderr).toContain(each);
  expect(ran).toMatchObject({ code, stdout: "" });
  nothingDone();
};

describe("pawl start refuses, before anything is started", () => {
  it("where nobody can be asked", () =>
    refused(["--stack", "Pawl"], 2, "there is no terminal to ask on", "Give --yes"));
  it("where no stack is named", () => refused(["--yes"], 2, "needs --stack NAME"));
  it("a stack that is not there, and names those that are", () =>
    refused(
      ["--stack", "Paul", "--yes"],
      2,
      "no stack Paul in the region eu-west-1",
      "there is Pawl",
      "AWS_REGION",
    ));
  it("a stack that is none of Pawl's", () =>
    refused(["--stack", "Other", "--yes"], 2, "the stack Other in eu-west-1 is none of Pawl's"));
  it("a run's name that cannot be one", () =>
    refused(["--stack", "Pawl", "--yes", "--run", "a b"], 2, "a b"));

  it("a job that the stack can never place", async () => {
    await writeFile(
      join(folder.path, "pawl.yaml"),
      "name: x\ncommand: [sh, count.sh]\nepochs: 1\nimage: torch\n",
    );
    await refused(
      ["--stack", "Pawl", "--yes"],
      2,
      "can never train x: image must be one of default",
      "'torch'",
    );
    await writeFile(
      join(folder.path, "pawl.yaml"),
      "name: x\ncommand: [sh, count.sh]\nepochs: 1\ncompute: {gpus: 16}\n",
    );
    await refused(["--stack", "Pawl", "--yes"], 2, "compute.gpus must be at most 8");
  });

  it("a checkpoint to begin from that is a folder here", async () => {
    await mkdir(join(folder.path, "pretrained"));
    await writeFile(
      join(folder.path, "pawl.yaml"),
      "name: x\ncommand: [sh, count.sh]\nepochs: 1\ncheckpoint: {from: ./pretrained}\n",
    );
    await refused(["--stack", "Pawl", "--yes"], 2, "checkpoint.from is a folder on this machine", "s3://");
  });

  it("data that Git leaves out of the code", async () => {
    await mkdir(join(folder.path, "data"));
    await writeFile(join(folder.path, "data", "x.csv"), "1");
    await writeFile(join(folder.path, ".gitignore"), "data/\n");
    await writeFile(
      join(folder.path, "pawl.yaml"),
      "name: x\ncommand: [sh, count.sh]\nepochs: 1\ndata: data\n",
    );
    await refused(
      ["--stack", "Pawl", "--yes"],
      2,
      'data names "data", which is left out of the code',
      ".pawlignore",
    );
  });

  it("a job that is too large for an execution", async () => {
    const env = `env: {LONG: ${JSON.stringify("x".repeat(270_000))}}`;
    await writeFile(join(folder.path, "pawl.yaml"), `name: x\ncommand: [sh, count.sh]\nepochs: 1\n${env}\n`);
    await refused(["--stack", "Pawl", "--yes"], 2, "may have 262144");
  });

  it("where the bucket may not be written", async () => {
    aws.bucket.isReadOnly = true;
    await refused(["--stack", "Pawl", "--yes"], 1, "code/", "not allowed");
  });

  it("a run that is finished, or that is there with --new, or whose job is another now", async () => {
    await start();
    const [first] = aws.executions.splice(0);
    const held = await start(["--new", "--run", "count-1"]);
    expect(held).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is a run count-1 already"),
    });
    expect(first?.status).toBe("RUNNING");
    await writeFile(join(folder.path, "pawl.yaml"), "name: count\ncommand: [sh, count.sh]\nepochs: 7\n");
    world.alive.clear();
    const changed = await start(["--run", "count-1"]);
    expect(changed).toMatchObject({ code: 2, stderr: expect.stringContaining("epochs: 6 → 7") });
    const accepted = await start(["--run", "count-1", "--accept-changes"]);
    expect(accepted).toMatchObject({ code: 0, stdout: "count-1\n" });
    expect(aws.executions[0]?.input).toMatchObject({ acceptChanges: true });
  });
});
