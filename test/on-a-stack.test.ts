import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StandInAws, StandInExecution } from "../cli/testing/stand-in-aws.ts";
import { readHead } from "../lambdas/journalled.ts";
import { openRun } from "../lambdas/open.ts";
import { stopRun } from "../lambdas/stop.ts";
import type { FakeWorld } from "../lambdas/testing/fake-world.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { pawl } from "./pawl.ts";
import type { Project } from "./projects.ts";
import { type StackScene, stackScene } from "./stack-scene.ts";

let aws: StandInAws;
let store: ObjectStore;
let world: FakeWorld;
let folder: Project;
let scene: StackScene;

async function open({ arn, name, input }: StandInExecution): Promise<void> {
  const next = await openRun(world.ports())({ input, driver: { id: arn, execution: name } });
  if (next.action === "failed") end({ status: "FAILED", error: next.error, cause: next.cause });
  else world.alive.add(arn);
}

beforeEach(async () => {
  scene = await stackScene({ compute: "{gpus: 0}" });
  ({ aws, store, world, folder } = scene);
  aws.onStart = open;
  aws.onInvoke = (_name, payload) => stopRun(world.ports())(payload);
});

afterEach(() => scene.end());

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  pawl(args, { cwd: folder.path, env: { ...aws.env, ...env } });

const onStack = { PAWL_STACK: "Pawl" };

/** The one execution has ended, and nobody drives its run. */
function end(more: Partial<StandInExecution> = {}): void {
  const execution = aws.executions.at(-1);
  if (execution === undefined) throw new Error("nothing was started");
  Object.assign(execution, { status: "ABORTED", ...more });
  world.alive.clear();
}

const codes = () => aws.bucket.keys().filter((key) => key.startsWith("code/"));

describe("a run on a stack", () => {
  it("is looked at as in a folder, by --stack or PAWL_STACK", async () => {
    await run(["start", "--yes"], onStack);
    const listed = await run(["runs", "--stack", "Pawl"]);
    expect(listed.stdout).toMatch(/count-1 .*training/);
    expect((await run(["runs"], onStack)).stdout).toBe(listed.stdout);
    const shown = await run(["show", "count-1"], onStack);
    expect(shown).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/count-1 training: by execution count-1-/),
    });
    const completed = await run(["complete", "--", "show", "--stack", "Pawl", "co"]);
    expect(completed.stdout).toContain("count-1");
    const { code, stderr } = await run(["show", "count-9", "--stack", "Pawl"]);
    expect(code).toBe(102);
    expect(stderr).toContain("it holds count-1");
  });

  it("is known to be interrupted where its execution is gone, and why", async () => {
    await run(["start", "--yes"], onStack);
    end({ status: "FAILED", error: "States.Runtime", cause: "the path $.train could not be found" });
    const shown = await run(["show", "count-1"], onStack);
    expect(shown.stdout).toContain("count-1 interrupted: nobody trains it now, since its execution ended");
    expect(shown.stdout).toContain("FAILED: States.Runtime: the path $.train could not be found");
    const { driver } = JSON.parse((await run(["show", "count-1", "--json"], onStack)).stdout);
    expect(driver).toMatchObject({ alive: false, ended: expect.stringContaining("States.Runtime") });
    const watched = await run(["watch", "count-1"], onStack);
    expect(watched).toMatchObject({
      code: 101,
      stderr: expect.stringContaining("'pawl resume count-1' goes on"),
    });
  });

  it("is believed to live where nobody can ask after its execution", async () => {
    await run(["start", "--yes"], onStack);
    end();
    aws.refuses = { action: "DescribeExecution", error: "AccessDeniedException" };
    const shown = await run(["show", "count-1"], onStack);
    expect(shown.stdout).toContain("count-1 training: by execution count-1-");
  });

  it("that was refused before it began is told of by its name", async () => {
    aws.onStart = async (execution) => {
      Object.assign(execution, { status: "FAILED", error: "Pawl.JobInvalid", cause: "epochs must be more" });
    };
    await run(["start", "--yes"], onStack);
    const shown = await run(["show", "count-1"], onStack);
    expect(shown).toMatchObject({
      code: 102,
      stderr: expect.stringMatching(
        /execution count-1-\w+ ended: FAILED: Pawl.JobInvalid: epochs must be more/,
      ),
    });
  });

  it("stops by asking the stack's function, and waits until it has", async () => {
    await run(["start", "--yes"], onStack);
    const asked: unknown[] = [];
    aws.onInvoke = async (name, payload) => {
      asked.push(name);
      if (asked.length === 2) end();
      return await stopRun(world.ports())(payload);
    };
    const stopped = await run(["stop", "count-1", "--stack", "Pawl"]);
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringContaining("count-1 stopped by ") });
    expect(stopped.stderr).toContain("is to stop");
    expect(new Set(asked)).toEqual(new Set(["Pawl-Stop"]));
    expect(asked.length).toBeGreaterThan(1);
  });

  it("is not stopped where the function fails or may not be asked", async () => {
    await run(["start", "--yes"], onStack);
    aws.onInvoke = async () => {
      throw new RangeError("out of luck");
    };
    const failed = await run(["stop", "count-1"], onStack);
    expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining("RangeError: out of luck") });
    aws.refuses = { action: "Invoke", error: "AccessDeniedException", status: 403 };
    const denied = await run(["stop", "count-1"], onStack);
    expect(denied).toMatchObject({ code: 1, stderr: expect.stringContaining("lambda:InvokeFunction") });
  });

  it("is resumed with the code that it has, and refused while somebody trains it", async () => {
    await run(["start", "--yes"], onStack);
    const held = await run(["resume", "count-1"], onStack);
    expect(held).toMatchObject({ code: 1, stderr: expect.stringContaining("being trained by execution") });
    end();
    await writeFile(join(folder.path, "count.sh"), "changed");
    const resumed = await run(["resume", "count-1", "--json"], onStack);
    expect(resumed.code).toBe(0);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ run: "count-1", opened: true, stack: "Pawl" });
    expect(aws.executions.at(-1)?.input).toEqual({ run: "count-1" });
    expect(codes()).toHaveLength(1);
  });
});

describe("a run between a folder and a stack", () => {
  it("is pushed, goes on there with the folder's code, and comes back with it", async () => {
    const here = await pawl(["train"], { cwd: folder.path });
    expect(here.code).toBe(0);
    expect(codes()).toEqual([]);
    const pushed = await run(["copy", "count-1", "--from", ".pawl", "--stack", "Pawl"]);
    expect(pushed).toMatchObject({ code: 0, stdout: expect.stringContaining("is in s3://pawl-bucket") });
    expect(pushed.stderr).not.toContain("--store s3://");
    await writeFile(
      join(folder.path, "pawl.yaml"),
      `# With more epochs it is unfinished.\nname: count\ncommand: [sh, count.sh]\nepochs: 9\ncompute: {gpus: 0}\ncheckpoint: {keep: 2, best: {metric: loss, mode: min}}\nretry: {baseDelay: 0s}\n`,
    );
    const started = await run(["start", "--yes", "--accept-changes", "--stack", "Pawl"]);
    expect(started).toMatchObject({ code: 0, stdout: "count-1\n" });
    expect(started.stderr).toContain("goes on after epoch 6 of 9");
    const [code] = codes();
    expect(code).toBeDefined();
    end();
    const back = await run(["copy", "count-1", "--stack", "Pawl", "--to", "back"]);
    expect(back.code).toBe(0);
    const there = await openStore(join(folder.path, "back"), "read");
    expect(await there.has(code ?? "")).toBe(true);
    expect((await openJournal(there).newest("count-1"))?.state.generation).toBe(2);
    const again = await run(["copy", "count-1", "--stack", "Pawl", "--to", "back"]);
    expect(again.stdout).toContain(`is in ${join(folder.path, "back")} already`);
  });

  it("packs the folder's code anew where its run is resumed there", async () => {
    const source = { folder: folder.path };
    const job = { name: "count", command: ["sh", "count.sh"], epochs: 6, compute: { gpus: 0 } };
    await world.open("local:x:here", { job, run: "count-1", source });
    const resumed = await run(["resume", "count-1", "--stack", "Pawl"]);
    expect(resumed).toMatchObject({ code: 0, stdout: "count-1\n" });
    expect(aws.executions[0]?.input).toEqual({ run: "count-1", job, source: { code: codes()[0] } });
    // It is in force, so that whoever goes on unpacks it.
    expect((await readHead(world.ports(), "count-1", 0))?.source).toEqual({ code: codes()[0] });
  });

  it("is not resumed where the folder of its job is another machine's, and is told how to go on", async () => {
    const source = { folder: join(folder.path, "elsewhere") };
    const job = { name: "count", command: ["sh", "count.sh"], epochs: 6, compute: { gpus: 0 } };
    await world.open("local:x:here", { job, run: "count-1", source });
    const resumed = await run(["resume", "count-1", "--stack", "Pawl"]);
    expect(resumed).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("pawl start FILE --run count-1 --stack Pawl goes on"),
    });
    expect(aws.executions).toEqual([]);
  });

  it("is not started again where it is finished", async () => {
    const job = { name: "count", command: ["true"], epochs: 1, checkpoint: "none" };
    await world.open("local:x:here", { job, run: "count-1" });
    await world.claim({ run: "count-1" });
    await world.report(1, { run: "count-1" });
    await world.commit(1, { run: "count-1", checkpoint: null });
    await world.trained({ run: "count-1" });
    const resumed = await run(["resume", "count-1", "--stack", "Pawl"]);
    expect(resumed).toMatchObject({
      code: 0,
      stdout: "count-1\n",
      stderr: expect.stringContaining("finished already"),
    });
    const given = ["start", "--yes", "--stack", "Pawl", "--run", "count-1", "--accept-changes"];
    await writeFile(join(folder.path, "pawl.yaml"), JSON.stringify(job));
    expect(await run(given)).toMatchObject({ code: 2, stderr: expect.stringContaining("finished already") });
    expect(aws.executions).toEqual([]);
  });
});

describe("packed code", () => {
  it("is pruned when no run needs it any more, and not before", async () => {
    await run(["start", "--yes"], onStack);
    end();
    const [needed] = codes();
    await store.create(`code/${"0".repeat(64)}.tar.gz`, "old");
    await store.create("code/notes.txt", "somebody's own");
    const planned = await run(["prune", "--json"], onStack);
    expect(JSON.parse(planned.stdout).items).toEqual([
      { kind: "code", key: `code/${"0".repeat(64)}.tar.gz`, objects: 1, sizeBytes: 3 },
    ]);
    expect(codes()).toHaveLength(3);
    const told = await run(["prune", "--yes"], onStack);
    expect(told.stdout).toContain("no run needs it");
    expect(codes()).toEqual([needed, "code/notes.txt"]);
    await run(["prune", "--yes", "--whole-runs", "--older-than", "0s", "--state", "interrupted"], onStack);
    expect(codes()).toEqual(["code/notes.txt"]);
  });
});

describe("--stack", () => {
  it("is refused beside --store, and two places in the environment too", async () => {
    const refused = async (args: readonly string[], env: Readonly<Record<string, string>>, words: string) =>
      expect(await run(args, env)).toMatchObject({ code: 2, stderr: expect.stringContaining(words) });
    await refused(["runs", "--stack", "Pawl", "--store", "x"], {}, "--stack and --store name two places");
    await refused(
      ["runs"],
      { PAWL_STACK: "Pawl", PAWL_STORE: "x" },
      "PAWL_STACK and PAWL_STORE name two places",
    );
    await refused(["copy", "x", "--from", "a", "--to", "b", "--stack", "Pawl"], {}, "three places");
    await refused(["train", "--stack", "Pawl"], {}, "unknown option '--stack'");
    expect((await run(["train", "--stack", "Pawl"])).stderr).toContain("'pawl start' trains on a stack");
    expect(aws.asked).toEqual([]);
  });

  it("gives way to the other where one of the two is an option", async () => {
    await rm(join(folder.path, ".pawl"), { recursive: true, force: true });
    await openStore(join(folder.path, "there"));
    expect(await run(["runs", "--store", "there"], onStack)).toMatchObject({ code: 0 });
    expect(aws.asked).toEqual([]);
    expect(await run(["runs", "--stack", "Pawl"], { PAWL_STORE: "nowhere" })).toMatchObject({ code: 0 });
    expect(aws.asked).toEqual(["DescribeStacks"]);
  });
});
