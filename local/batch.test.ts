import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import * as z from "zod";
import { MetadataServer } from "../agent/testing/metadata-server.ts";
import { stepping } from "../agent/testing/stepping.ts";
import { PawlError } from "../core/errors.ts";
import { run } from "../lambdas/testing/fake-world.ts";
import { ProcessIdentity } from "../store/process-identity.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { processesNaming } from "../test/pawl.ts";
import { StateError } from "./interpreter.ts";
import { BatchWorld } from "./testing/batch-world.ts";

const freshFolder = temporaryFolders({ fast: true });
const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"\n';
const waiting = 'echo "begun as $$"\nsleep 600\n';

const make = async (script: string, more = {}) => await BatchWorld.make(await freshFolder(), script, more);

const Detail = z.looseObject({
  JobId: z.string(),
  Status: z.string(),
  StatusReason: z.string(),
  Container: z.looseObject({ ExitCode: z.int().optional() }),
});

/** The job that the state machine's Catch would get. */
async function failure(submitted: Promise<unknown>) {
  const error = await submitted.then(
    () => expect.unreachable("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StateError)) throw error;
  expect(error.error).toBe("States.TaskFailed");
  return Detail.parse(JSON.parse(error.cause));
}

const expectNothingLeft = async ({ scratch, world }: BatchWorld) => {
  expect(await readdir(scratch)).toEqual([]);
  expect(await processesNaming(world.root)).toEqual([]);
};

/** The process that a record in the only attempt's folder names. */
async function recorded({ scratch }: BatchWorld, name: string): Promise<number> {
  const [attempt = ""] = await readdir(scratch);
  return ProcessIdentity.parse(JSON.parse(await readFile(join(scratch, attempt, name), "utf8"))).pid;
}

describe("a job of this machine's Batch", () => {
  it("goes through Batch's states, and ends as Batch describes it", async () => {
    const it_ = await make(`${grow}echo trained`);
    const detail = Detail.parse(await it_.submit());
    expect(detail).toMatchObject({
      JobName: "digits-1-1",
      JobQueue: "the-queue",
      JobDefinition: "the-definition",
      Status: "SUCCEEDED",
      StatusReason: "Essential container in task exited",
      CreatedAt: expect.any(Number),
      StartedAt: expect.any(Number),
      StoppedAt: expect.any(Number),
      Attempts: [{ Container: { ExitCode: 0 } }],
      Container: { ExitCode: 0, Environment: expect.arrayContaining([{ Name: "PAWL_RUN", Value: run }]) },
    });
    expect(it_.updates).toEqual(
      ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"].map((status) => ({
        jobId: detail.JobId,
        attempt: 1,
        status,
      })),
    );
    expect(it_.output).toBe("trained\ntrained\n");
    expect((await it_.world.state())?.progress.epoch).toBe(2);
    await expectNothingLeft(it_);
  });

  it("fails with the agent's exit code, and its account is in the store", async () => {
    const it_ = await make("exit 3");
    const detail = await failure(it_.submit());
    expect(detail).toMatchObject({
      Status: "FAILED",
      StatusReason: "Essential container in task exited",
      Container: { ExitCode: 10 },
    });
    expect(it_.updates.at(-1)?.status).toBe("FAILED");
    expect(await it_.world.outcome(detail.JobId)).toMatchObject({
      result: "user-exception",
    });
    await expectNothingLeft(it_);
  });

  it.each([
    ["SIGKILL", 137],
    ["SIGABRT", 134],
    ["SIGXCPU", 152],
  ] as const)(
    "whose agent is killed by %s has exit code %i, and its trainer is gone",
    async (signal, code) => {
      const it_ = await make(waiting);
      const failed = failure(it_.submit());
      await it_.saying("begun");
      process.kill(await recorded(it_, "agent.json"), signal);
      expect((await failed).Container.ExitCode).toBe(code);
      await expectNothingLeft(it_);
    },
  );

  it("whose host is taken away has no exit code, and says so as a spot reclaim does", async () => {
    const it_ = await make(`setsid ${waiting}`);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    it_.batch.reclaim("i-0123456789abcdef0");
    const detail = await failed;
    expect(detail.StatusReason).toBe("Host EC2 (instance i-0123456789abcdef0) terminated.");
    expect(JSON.stringify(detail)).not.toContain("ExitCode");
    expect(await it_.world.outcome(detail.JobId)).toBeUndefined();
    await expectNothingLeft(it_);
  });

  it("whose host is to be taken away saves in the middle of an epoch, and is gone before that", async () => {
    const metadata = await MetadataServer.start();
    onTestFinished(() => metadata.stop());
    const { command, files } = stepping(4000, 0.01);
    const script = `cat > stepping.py <<'END'\n${files["stepping.py"]}\nEND\nexec ${command.join(" ")}`;
    const it_ = await BatchWorld.make(await freshFolder(), script, {}, metadata.base);
    const failed = failure(it_.submit());
    await it_.saying("step 1 40");
    metadata.notice(60);
    const detail = await failed;
    it_.batch.reclaim("i-0123456789abcdef0");
    expect(detail.StatusReason).toBe("Essential container in task exited");
    const outcome = await it_.world.outcome(detail.JobId);
    expect(outcome).toMatchObject({ result: "spot-reclaim", instance: "i-0123456789abcdef0" });
    const step = (await it_.world.state())?.progress.partial?.step;
    expect(step).toBeGreaterThan(0);
    expect(outcome?.message).toBe(
      `spot notice for i-0123456789abcdef0: saved epoch 1, step ${step}, and left`,
    );
    await expectNothingLeft(it_);
  });

  it("whose trainer started what leaves its group and session leaves nothing of it", async () => {
    const it_ = await make(`setsid sleep 600 > /dev/null 2>&1 &\n${waiting}`);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    process.kill(await recorded(it_, "agent.json"), "SIGKILL");
    await failed;
    await expectNothingLeft(it_);
  });

  it("leaves its folder to nobody, also what the trainer has made unwritable", async () => {
    const it_ = await make(`${grow}mkdir locked; touch locked/file; chmod -R a-w locked`);
    await it_.submit();
    await expectNothingLeft(it_);
  });

  it("that is submitted twice is trained once: the other leaves, and names the one that has it", async () => {
    const it_ = await make(`${grow}while [ ! -e "$PWD/../../../go" ]; do sleep 0.02; done\necho begun`);
    const both = [it_.submit(), it_.submit()].map((each) => each.catch((error: unknown) => error));
    const first = await Promise.race(both);
    if (!(first instanceof StateError)) return expect.unreachable("the duplicate ends first");
    const duplicate = Detail.parse(JSON.parse(first.cause));
    expect(duplicate.Container.ExitCode).toBe(18);
    const outcome = await it_.world.outcome(duplicate.JobId);
    expect(outcome?.result).toBe("duplicate");
    await writeFile(join(it_.scratch, "..", "go"), "");
    const ends = await Promise.all(both);
    const winner = Detail.parse(ends.find((each) => !(each instanceof StateError)));
    expect(outcome?.winner).toBe(winner.JobId);
    expect((await it_.world.state())?.progress.epoch).toBe(2);
  });

  it.each([
    [new PawlError("STORE_FULL", "the disk is full"), 14],
    [new Error("no decision today"), 16],
  ])("ends with what is wrong where a decision fails with %s", async (error, code) => {
    const it_ = await make(grow);
    it_.review = () => Promise.reject(error);
    expect((await failure(it_.submit())).Container.ExitCode).toBe(code);
  });

  it("ends where an answer is not understood, rather than waiting for another", async () => {
    const it_ = await make(grow);
    const answer = { action: "leave", sequence: -1, reason: "" } as const;
    it_.review = async () => ({ answer });
    expect((await failure(it_.submit())).Container.ExitCode).toBe(1);
  });

  it("is refused where it is described otherwise than Batch takes it", async () => {
    const it_ = await make(grow);
    await expect(it_.batch.submitAndWait({ JobName: "digits" })).rejects.toThrow("JobQueue");
    expect(it_.updates).toEqual([]);
  });
});

describe("a job that is to end", () => {
  it("is asked to, has committed what it trained, and is gone then", async () => {
    const it_ = await make(`[ $PAWL_EPOCH = 2 ] && { ${waiting.replaceAll("\n", "; ")} }\n${grow}`);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    const ref = { run, attempt: 1, batchJobId: (await it_.world.state())?.live[0]?.batchJobId };
    expect(await it_.batch.look(ref)).toEqual({ running: true });
    expect(await it_.batch.look({ ...ref, batchJobId: undefined })).toEqual({ running: true });
    expect(await it_.batch.look({ ...ref, batchJobId: "another" })).toEqual({ running: false });
    expect(await it_.batch.end(ref, "a test")).toEqual({ running: false, stoppedAt: expect.any(String) });
    expect((await failed).Container.ExitCode).toBe(143);
    expect(await it_.batch.look(ref)).toEqual({ running: false });
    expect(await it_.batch.end(ref, "again")).toEqual({ running: false });
    expect((await it_.world.state())?.progress.epoch).toBe(1);
    await expectNothingLeft(it_);
  });

  it("goes with all others when Batch closes, and none is started any more", async () => {
    const it_ = await make(waiting);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    await it_.batch.close();
    await expectNothingLeft(it_);
    expect((await failed).Container.ExitCode).toBe(143);
    await expect(it_.submit()).rejects.toMatchObject({ error: "States.TaskFailed" });
    expect(it_.updates.filter(({ status }) => status === "RUNNING")).toHaveLength(1);
  });

  it("is killed at once where everything is to be", async () => {
    const it_ = await make(`trap '' TERM\n${waiting}`);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    it_.batch.killAll();
    expect((await failed).Container.ExitCode).toBe(137);
    await it_.batch.close();
    await expectNothingLeft(it_);
  });

  it("ends where it has only just been submitted, too", async () => {
    const it_ = await make(waiting);
    const failed = it_.submit().catch((error: unknown) => error);
    await it_.batch.close();
    expect(await failed).toBeInstanceOf(StateError);
    expect(await processesNaming(it_.world.root)).toEqual([]);
  });

  it("fails with the reason for which all are terminated, and so does each that is submitted later", async () => {
    const it_ = await make(`[ $PAWL_EPOCH = 2 ] && { ${waiting.replaceAll("\n", "; ")} }\n${grow}`);
    const failed = failure(it_.submit());
    await it_.saying("begun");
    it_.batch.terminateAll("Stopped by alice@laptop");
    expect(await failed).toMatchObject({
      Status: "FAILED",
      StatusReason: "Stopped by alice@laptop",
      Container: { ExitCode: 143 },
    });
    expect((await it_.world.state())?.progress.epoch).toBe(1);
    const later = await failure(it_.submit(2));
    expect(later).toMatchObject({ Status: "FAILED", StatusReason: "Stopped by alice@laptop", Attempts: [] });
    expect(it_.updates.filter(({ status }) => status === "RUNNING")).toHaveLength(1);
    await expectNothingLeft(it_);
  });
});
