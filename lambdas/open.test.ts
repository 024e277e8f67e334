import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { FakeWorld, job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
});

describe("Open", () => {
  it("begins a run that there is not, named after its job or as it is told", async () => {
    expect(await world.open("a")).toMatchObject({ action: "train", run, sequence: 1, generation: 1 });
    expect(await world.open("a", { job, run: "mine" })).toMatchObject({ action: "train", run: "mine" });
    expect(await world.state()).toMatchObject({
      driver: { id: "a" },
      live: [{ number: 1 }],
      status: "training",
    });
  });

  it("answers the same driver the same again, and journals nothing more", async () => {
    const first = await world.open("a");
    expect(await world.open("a")).toEqual(first);
    expect(await world.kinds()).toEqual(["opened"]);
  });

  it("refuses while another driver is alive, names it, and ends nothing of it", async () => {
    await world.open("a");
    world.alive.add("a");
    expect(await world.open("b")).toMatchObject({
      action: "failed",
      error: "Pawl.RunHeld",
      cause: "run digits-1 is being trained by execution a",
    });
    expect(world.ended).toEqual([]);
    expect(await world.kinds()).toEqual(["opened"]);
  });

  it("takes over from a driver that is gone: ends its attempt, adopts what that saved, and goes on behind it", async () => {
    await world.open("a");
    await world.train(1);
    world.running.add("job-a");
    await world.save(2);
    await world.report(2);
    const next = await world.open("b", { run });
    expect(next).toMatchObject({ action: "train", generation: 2, train: { attempt: 2 } });
    expect(world.ended).toEqual([{ run, attempt: 1, batchJobId: "job-a" }]);
    expect(await world.state()).toMatchObject({
      driver: { id: "b" },
      progress: { epoch: 2 },
      live: [{ number: 2, restore: "2-1", firstPlan: { epoch: 3 } }],
    });
    expect((await world.journal()).at(-1)?.decision.reason).toContain("adopted its checkpoint 2-1");
  });

  it("waits for an attempt that does not end at once, and adopts what it saves until then", async () => {
    await world.open("a");
    await world.claim();
    world.running.add("job-a");
    world.endsAtOnce = false;
    expect(await world.open("b")).toMatchObject({ action: "wait", wait: { seconds: 5 } });
    expect(await world.open("b")).toMatchObject({ action: "wait" });
    await world.save(1);
    await world.report(1);
    world.running.clear();
    expect(await world.open("b")).toMatchObject({ action: "train", train: { attempt: 2 } });
    expect(await world.state()).toMatchObject({ progress: { epoch: 1 }, live: [{ restore: "1-1" }] });
  });

  it("lets the successor of a hand-over in while the driver before it still ends, and nobody else", async () => {
    const ports = world.ports(world.store, { limits: { turnsPerExecution: 1 } });
    const segment = { ...job, segment: 1 };
    await world.open("a", { job: segment }, ports);
    await world.train(1);
    world.alive.add("a");
    const next = await world.trained({}, ports);
    if (next.action !== "continue") return expect.unreachable(next.action);
    expect(await world.open("b", { run })).toMatchObject({ error: "Pawl.RunHeld" });
    expect(await world.open(next.continue.name, { run })).toMatchObject({ action: "train", generation: 2 });
    // The one before, asked again after a lost answer, learns that it is over.
    expect(await world.trained()).toMatchObject({ error: "Pawl.Superseded" });
  });

  it("refuses a job that differs, names the fields, and takes it where it is accepted", async () => {
    await world.open("a");
    await world.train(1);
    const other = { ...job, epochs: 5, seed: 9 };
    expect(await world.open("b", { job: other })).toMatchObject({
      error: "Pawl.JobChanged",
      cause: expect.stringMatching(/epochs: 3 → 5.*seed: 0 → 9/),
    });
    expect((await world.journal()).at(-1)?.event.type).toBe("commit");
    expect(await world.open("b", { job: other, acceptChanges: true })).toMatchObject({ action: "train" });
    expect(await world.claim({ attempt: 2, batchJobId: "job-b" })).toMatchObject({
      job: { epochs: 5 },
      answer: { assignment: { plan: { epoch: 2, seed: 9 } } },
    });
  });

  it("names the environment's variables that differ, and gives away no value: others read its words in logs", async () => {
    const env = { KEPT: "k", TOKEN: "old-secret", GONE: "gone-secret" };
    await world.open("a", { job: { ...job, env } });
    const changed = { job: { ...job, env: { KEPT: "k", TOKEN: "new-secret", MORE: "more-secret" } } };
    const refused = await world.open("b", changed);
    expect(refused).toMatchObject({
      action: "failed",
      cause: expect.stringContaining(
        "env.GONE: given → absent, env.MORE: absent → given, env.TOKEN: another value",
      ),
    });
    await world.open("b", { ...changed, acceptChanges: true });
    const { decision } = (await world.journal()).at(-1) ?? {};
    expect(decision?.reason).toContain("env.TOKEN: another value");
    expect(JSON.stringify([refused, decision])).not.toContain("secret");
  });

  it("refuses a run that there is not, where it gets no job", async () => {
    expect(await world.open("a", { run: "none-1" })).toMatchObject({ error: "Pawl.RunNotFound" });
    expect(await world.store.children("journal/")[Symbol.asyncIterator]().next()).toMatchObject({
      done: true,
    });
  });

  it.each([
    ["no object", "digits", '{"job": {…}} or {"run": "name"}'],
    ["unknown fields", { job, jbo: 1 }, '"source" and "acceptChanges"'],
    ["neither job nor run", {}, "neither a job nor a run"],
    ["a name that is none", { run: "../other" }, '{"run": "name"}'],
    ["a job without epochs", { job: { name: "digits", command: ["true"] } }, "epochs is missing"],
    ["a misspelt field", { job: { ...job, epoch: 3 } }, "did you mean epochs?"],
    ["a wrong value", { job: { ...job, epochs: "many" } }, 'epochs must be a number; it is "many"'],
  ])("refuses an input with %s in the words of pawl validate", async (_, input, words) => {
    const next = await world.open("a", input);
    expect(next).toMatchObject({
      action: "failed",
      error: "Pawl.JobInvalid",
      cause: expect.stringContaining(words),
    });
  });

  it("says of a finished run that it is", async () => {
    await world.open("a");
    await world.train(3);
    expect(await world.trained()).toMatchObject({ action: "done" });
    const before = await world.kinds();
    expect(await world.open("b")).toMatchObject({ action: "done", reason: "all 3 epochs are trained" });
    expect(await world.kinds()).toEqual(before);
  });

  it("opens a failed run again, with a fresh budget", async () => {
    await world.open("a", { job: { ...job, retry: { failuresWithoutProgress: 1 } } });
    await world.claim();
    await world.leaveOutcome({});
    expect(await world.recover({ Error: "States.TaskFailed" })).toMatchObject({ action: "failed" });
    expect(await world.open("b", { run })).toMatchObject({ action: "train", generation: 2 });
    expect((await world.state())?.failures).toMatchObject({ withoutProgress: 0, total: 1 });
  });
});
