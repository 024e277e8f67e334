import { beforeEach, describe, expect, it } from "vitest";
import { PawlError } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { openFolderStore } from "../store/folder.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import type { JobRef, Notice, Ports } from "./ports.ts";
import { type SweepReport, sweepRuns } from "./sweep.ts";
import { FakeWorld, job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;
let notices: Notice[];

const notify = async (notice: Notice) => {
  notices.push(notice);
};

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  notices = [];
  await world.open("a");
});

/** What EventBridge says of an execution that has ended; a driver's id is its ARN. */
const statusChange = (name: string, more: Record<string, unknown> = {}) => ({
  version: "0",
  "detail-type": "Step Functions Execution Status Change",
  source: "aws.states",
  region: "eu-central-1",
  detail: {
    executionArn: name,
    stateMachineArn: "machine",
    name,
    status: "ABORTED",
    input: JSON.stringify({ run }),
    inputDetails: { included: true },
    error: null,
    cause: null,
    ...more,
  },
});

const schedule = { "detail-type": "Scheduled Event", source: "aws.events", detail: {} };

const sweep = (payload: unknown, more: Partial<Ports> = {}): Promise<SweepReport> =>
  sweepRuns(world.ports(world.store, { notify, ...more }))(payload);

const minutes = (count: number) => () => new Date(Date.parse("2026-11-21T10:00:00.000Z") + count * 60_000);

/** As its schedule asks it, when nothing was decided for a while. */
const sweepLater = (more: Partial<Ports> = {}) => sweep(schedule, { now: minutes(10), ...more });

describe("Sweep, told that an execution has ended", () => {
  it("ends what it left running, adopts what that saved, journals it, and says so", async () => {
    await world.train(1);
    world.running.add("job-a");
    await world.save(2);
    const report = await sweep(statusChange("a"));
    expect(report).toMatchObject({ looked: 1, answers: [{ action: "swept", run, status: "interrupted" }] });
    expect(world.ended).toEqual([{ run, attempt: 1, batchJobId: "job-a" }]);
    expect(await world.state()).toMatchObject({ status: "interrupted", live: [], progress: { epoch: 2 } });
    expect(await world.kinds()).toEqual(["opened", "claimed", "reported", "committed", "swept"]);
    expect(notices).toEqual([
      {
        run,
        subject: "Pawl: run digits-1 is interrupted",
        words: expect.stringMatching(
          /^execution a is gone \(ABORTED\); attempt 1: .*Epochs up to 2 are committed\.$/,
        ),
      },
    ]);
  });

  it("takes the words of the execution that drove the run, and of no other", async () => {
    const held = statusChange("z", { status: "FAILED", error: "Pawl.RunHeld", cause: "held" });
    await sweep(held, { now: minutes(10) });
    expect((await world.state())?.ending).toMatch(/^execution a is gone; /);
    await world.open("b", { run });
    const cause = "y".repeat(5000);
    await sweep(statusChange("b", { status: "FAILED", error: "States.Runtime", cause }));
    expect((await world.state())?.ending).toMatch(/^execution b is gone \(FAILED, States.Runtime: y+…\); /);
  });

  it("leaves a run alone whose driver lives, whatever the event says", async () => {
    world.alive.add("a");
    expect(await sweep(statusChange("a"))).toMatchObject({ looked: 1, answers: [] });
    expect(await sweep(statusChange("z"))).toMatchObject({ looked: 1, answers: [] });
    expect(await world.kinds()).toEqual(["opened"]);
    expect([world.ended, notices]).toEqual([[], []]);
  });

  it("believes for two minutes that an execution lives which may only not be found yet", async () => {
    expect(await sweep(statusChange("before", { status: "SUCCEEDED" }))).toMatchObject({ answers: [] });
    expect(await sweep(schedule, { now: minutes(1.9) })).toMatchObject({ answers: [] });
    expect([world.ended, await world.kinds()]).toEqual([[], ["opened"]]);
    expect(await sweep(schedule, { now: minutes(2.1) })).toMatchObject({ answers: [{ action: "swept" }] });
  });

  it("waits for an attempt that does not end at once, and settles the run when asked again", async () => {
    await world.claim();
    world.running.add("job-a");
    world.endsAtOnce = false;
    expect(await sweep(statusChange("a"))).toMatchObject({ answers: [{ action: "ending" }] });
    await world.save(1);
    await world.report(1);
    await world.commit(1);
    expect(await sweepLater()).toMatchObject({ answers: [{ action: "ending" }] });
    expect(notices).toEqual([]);
    world.running.clear();
    expect(await sweepLater()).toMatchObject({ answers: [{ action: "swept", status: "interrupted" }] });
    expect((await world.state())?.progress.epoch).toBe(1);
    expect(notices).toHaveLength(1);
  });

  it("looks again until nothing of it runs, where it may wait: nobody else would before the schedule does", async () => {
    await world.claim();
    world.running.add("job-a");
    world.endsAtOnce = false;
    const waits: number[] = [];
    const pause = async (milliseconds: number) => {
      if (waits.push(milliseconds) === 3) world.running.clear();
    };
    expect(await sweep(statusChange("a"), { pause })).toMatchObject({
      answers: [{ action: "swept", status: "interrupted" }],
    });
    expect(waits).toHaveLength(3);
    expect(notices).toHaveLength(1);
    expect(await world.kinds()).toEqual(["opened", "claimed", "swept"]);
  });

  it("does not wait for ever: then the schedule goes on", async () => {
    await world.claim();
    world.running.add("job-a");
    world.endsAtOnce = false;
    let seconds = 0;
    const pause = async (milliseconds: number) => {
      seconds += milliseconds / 1000;
    };
    expect(await sweep(statusChange("a"), { pause })).toMatchObject({ answers: [{ action: "ending" }] });
    expect(seconds).toBeLessThan(240);
    world.running.clear();
    expect(await sweepLater()).toMatchObject({ answers: [{ action: "swept" }] });
  });

  it("says how a run has ended that came to its own end", async () => {
    await world.train(3);
    await world.trained();
    await sweep(statusChange("a", { status: "SUCCEEDED" }));
    expect(notices).toMatchObject([
      {
        subject: "Pawl: run digits-1 is finished",
        words: "all 3 epochs are trained. Epochs up to 3 are committed.",
      },
    ]);
    // Of an execution that only looked at it there is nothing to say.
    await sweep(statusChange("z", { status: "SUCCEEDED" }));
    expect(notices).toHaveLength(1);
  });

  it.each([
    ["is no JSON", "{"],
    ["names no run", "{}"],
    ["is of another shape", "[]"],
    ["names a run that there is not", '{"run":"none-1"}'],
    ["names a run that can be none", '{"run":"../x"}'],
  ])("does nothing where its input %s", async (_, input) => {
    expect(await sweep(statusChange("a", { input }))).toMatchObject({ answers: [], problems: [] });
    expect(await world.kinds()).toEqual(["opened"]);
  });

  it("finds the run by its job's name, and by its driver where the input was too long to be told", async () => {
    await sweep(statusChange("a", { input: JSON.stringify({ job }) }));
    expect((await world.state())?.status).toBe("interrupted");
    await world.open("b", { run });
    await sweep(statusChange("b", { input: undefined, inputDetails: { included: false } }));
    expect((await world.state())?.ending).toMatch(/^execution b is gone \(ABORTED\)/);
  });
});

describe("Sweep and a hand-over", () => {
  const handOver = async () => {
    world = await FakeWorld.make(await freshFolder());
    const ports = world.ports(world.store, { limits: { turnsPerExecution: 1 } });
    await world.open("a", { job: { ...job, segment: 1 } }, ports);
    await world.train(1);
    const next = await world.trained({}, ports);
    if (next.action !== "continue") return expect.unreachable(next.action);
    return next.continue.name;
  };
  const ended = statusChange("a", { status: "SUCCEEDED" });

  it("leaves the run alone while its successor lives, and while that may not be found yet", async () => {
    const successor = await handOver();
    expect(await sweep(ended)).toMatchObject({ looked: 1, answers: [] });
    world.alive.add(successor);
    expect(await sweep(ended, { now: minutes(60) })).toMatchObject({ looked: 1, answers: [] });
    expect(await world.open(successor, { run })).toMatchObject({ action: "train", generation: 2 });
    expect(world.ended).toEqual([]);
  });

  it("settles it where the successor has ended, or never came, and lets one in that comes after all", async () => {
    const successor = await handOver();
    const gone = await sweep(statusChange(successor, { status: "FAILED" }));
    expect(gone).toMatchObject({ answers: [{ status: "interrupted" }] });
    expect(await world.open(successor, { run })).toMatchObject({ action: "train", generation: 2 });
    await handOver();
    expect(await sweep(schedule, { now: minutes(3) })).toMatchObject({
      answers: [{ status: "interrupted" }],
    });
  });
});

describe("Sweep on its schedule", () => {
  it("looks at every run, and one whose journal is broken keeps it from none of the others", async () => {
    for (const name of ["b", "c", "d"]) await world.open(name, { job, run: `run-${name}` });
    world.alive.add("c");
    await world.store.create("journal/run-bad/0000000001.json", "{");
    const report = await sweepLater();
    expect(report.looked).toBe(5);
    expect(report.answers.map((answer) => answer.run).sort()).toEqual([run, "run-b", "run-d"]);
    expect(report.problems).toEqual([
      { run: "run-bad", message: expect.stringContaining("journal/run-bad/0000000001.json") },
    ]);
    expect(await sweepLater()).toMatchObject({ looked: 5, answers: [] });
    expect(notices).toHaveLength(3);
  });

  it("asks once for each run that it knows to be at rest, and looks again at one that goes on", async () => {
    for (const name of ["b", "c"]) await world.open(name, { job, run: `run-${name}` });
    await sweepLater();
    const asked: string[] = [];
    const watching = storeVariant(world.store, {
      has: (key) => {
        asked.push(key);
        return world.store.has(key);
      },
      read: (key) => {
        asked.push(key);
        return world.store.read(key);
      },
    });
    const again = () => sweepRuns(world.ports(watching, { notify, now: minutes(20) }))(schedule);
    expect(await again()).toMatchObject({ looked: 3, answers: [] });
    expect(asked.sort()).toEqual([
      `journal/${run}/0000000003.json`,
      "journal/run-b/0000000003.json",
      "journal/run-c/0000000003.json",
      "sweep/resting.json",
    ]);
    await world.open("d", { run: "run-b" });
    expect(await again()).toMatchObject({ answers: [{ action: "swept", run: "run-b" }] });
    expect(notices).toHaveLength(4);
  });

  it.each(["", "{", '{"version":1,"runs":{"digits-1":"many"}}'])(
    "looks at every run where what it knew is damaged: '%s'",
    async (text) => {
      await world.store.create("sweep/resting.json", text);
      expect(await sweepLater()).toMatchObject({ answers: [{ run, status: "interrupted" }] });
      expect(await sweepLater()).toMatchObject({ looked: 1, answers: [] });
      const kept = await world.store.read("sweep/resting.json");
      expect(Buffer.from(kept?.bytes ?? []).toString()).toBe(`{"version":1,"runs":{"${run}":2}}`);
    },
  );

  it("stops when its time is over, and goes on behind the last run when it is asked to", async () => {
    for (let number = 0; number < 70; number += 1) {
      await world.store.create(`journal/run-${String(number).padStart(2, "0")}/0000000001.json`, "{");
    }
    // Each look at the clock finds it a minute later.
    let looks = 0;
    const now = () => minutes(looks++)();
    const first = await sweep(schedule, { now });
    expect(first).toMatchObject({ looked: 64, after: "run-62" });
    const rest = await sweep({ after: first.after }, { now: minutes(10) });
    expect(rest).toMatchObject({ looked: 7, problems: { length: 7 } });
    expect(rest.after).toBeUndefined();
  });

  it("fails as a whole where the store does, so that it is tried again", async () => {
    const failing = (code: "STORE_UNREACHABLE" | "STORE_FAILED") =>
      storeVariant(world.store, {
        has: async () => {
          throw new PawlError(code, "it does not answer");
        },
      });
    await expect(sweepRuns(world.ports(failing("STORE_UNREACHABLE")))(schedule)).rejects.toThrow();
    const one = await sweepRuns(world.ports(failing("STORE_FAILED")))(schedule);
    expect(one.problems).toEqual([{ run, message: "it does not answer" }]);
  });
});

describe("a job that was not started in time", () => {
  const { startWithin } = TrainingJob.parse(job).compute;
  const waiting = (sight: { running: boolean; waiting?: boolean }) => {
    const ended: { of: JobRef; reason: string }[] = [];
    const jobs: Ports["jobs"] = {
      look: async () => sight,
      end: async (of, reason) => {
        ended.push({ of, reason });
        return { running: false };
      },
    };
    return { jobs, ended };
  };
  const late = minutes(startWithin / 60 + 1);

  beforeEach(() => {
    world.alive.add("a");
  });

  it("is ended with a reason that Recover knows, and nothing is journalled", async () => {
    const { jobs, ended } = waiting({ running: true, waiting: true });
    expect(await sweep(schedule, { jobs, now: late })).toMatchObject({ late: [{ run, attempt: 1 }] });
    expect(ended).toEqual([
      {
        of: { run, attempt: 1, batchJobId: undefined },
        reason: expect.stringMatching(/^Not started within 60 min: /),
      },
    ]);
    expect(await world.kinds()).toEqual(["opened"]);
    const Cause = JSON.stringify({
      JobId: "job-a",
      Status: "FAILED",
      StatusReason: ended[0]?.reason,
      Attempts: [],
    });
    await world.recover({ Error: "States.TaskFailed", Cause });
    expect(await world.state()).toMatchObject({
      failures: { recent: [{ class: "capacity-never-available" }] },
      market: { now: "on-demand" },
      next: { train: { market: "on-demand" } },
    });
  });

  it.each([
    ["it has waited for less than that", { running: true, waiting: true }, minutes(startWithin / 60 - 1)],
    ["it has an instance and loads its image", { running: true, waiting: false }, late],
    ["it has ended by itself", { running: false }, late],
  ])("is left alone where %s", async (_, sight, now) => {
    const { jobs, ended } = waiting(sight);
    expect(await sweep(schedule, { jobs, now })).toMatchObject({ late: [], answers: [] });
    expect(ended).toEqual([]);
  });

  it("is left alone once its attempt has claimed its assignment", async () => {
    await world.claim();
    const { jobs, ended } = waiting({ running: true });
    expect(await sweep(schedule, { jobs, now: late })).toMatchObject({ late: [] });
    expect(ended).toEqual([]);
  });
});

describe("Sweep, told twice or late", () => {
  it("journals once, and says it again rather than not at all", async () => {
    await Promise.all(
      Array.from({ length: 8 }, async () =>
        sweepRuns(world.ports(await openFolderStore(world.store.address), { notify }))(statusChange("a")),
      ),
    );
    expect(await world.kinds()).toEqual(["opened", "swept"]);
    expect(new Set(notices.map(({ words }) => words)).size).toBe(1);
  });

  it("says so when it is tried again after a crash between the entry and the notice", async () => {
    const broken = async () => {
      throw new Error("the topic does not answer");
    };
    await expect(sweep(statusChange("a"), { notify: broken })).rejects.toThrow("does not answer");
    expect(await world.kinds()).toEqual(["opened", "swept"]);
    await sweep(statusChange("a"));
    expect(notices).toMatchObject([{ subject: "Pawl: run digits-1 is interrupted" }]);
    expect(await world.kinds()).toEqual(["opened", "swept"]);
  });

  it("changes nothing of a run that another driver has taken over since", async () => {
    world.alive.add("b");
    await world.open("b", { run });
    const before = await world.kinds();
    expect(await sweep(statusChange("a"))).toMatchObject({ answers: [] });
    expect(await world.kinds()).toEqual(before);
    expect([world.ended.length, notices]).toEqual([1, []]);
  });

  it("loses to a driver that takes the run over while it looks, and leaves that one's attempt alone", async () => {
    const ports = world.ports();
    const jobs: Ports["jobs"] = {
      ...ports.jobs,
      end: async (of, reason) => {
        if (!world.alive.has("b")) {
          world.alive.add("b");
          await world.open("b", { run });
        }
        return await ports.jobs.end(of, reason);
      },
    };
    expect(await sweep(statusChange("a"), { jobs })).toMatchObject({ answers: [] });
    expect(await world.kinds()).toEqual(["opened", "took-over"]);
    expect(await world.state()).toMatchObject({ driver: { id: "b" }, live: [{ number: 2 }] });
    expect(world.ended.map(({ attempt }) => attempt)).toEqual([1, 1]);
    expect(notices).toEqual([]);
  });

  it("and a driver that comes at the same moment leave one history, whoever is first", async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      world = await FakeWorld.make(await freshFolder());
      await world.open("a");
      await world.train(1);
      world.alive.add("b");
      const sweeping = world.ports(await openFolderStore(world.store.address), { notify });
      const opening = world.ports(await openFolderStore(world.store.address));
      const swept = sweepRuns(sweeping)(statusChange("a"));
      for (let turn = 0; turn < round * 4; turn += 1) await new Promise(setImmediate);
      expect(await world.open("b", { run }, opening)).toMatchObject({ action: "train", generation: 2 });
      await swept;
      const kinds = await world.kinds();
      outcomes.add(kinds.at(-1) ?? "");
      expect(await world.state()).toMatchObject({
        status: "training",
        driver: { id: "b" },
        live: [{ number: 2 }],
      });
      expect(kinds.filter((kind) => kind === "swept").length).toBeLessThanOrEqual(1);
    }
    expect([...outcomes].every((kind) => kind === "took-over" || kind === "resumed")).toBe(true);
  });
});
