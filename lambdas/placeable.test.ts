import { beforeEach, describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../core/job.ts";
import type { Offers } from "../core/stack.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { openRun } from "./open.ts";
import { recoverRun } from "./recover.ts";
import { FakeWorld, job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
const offers: Offers = { images: { default: "image:1" }, instanceTypes: ["g5.xlarge"], maxVcpus: 64 };
const code = `code/${"a".repeat(64)}.tar.gz`;
let world: FakeWorld;

/** Opens as a stack does. */
const open = (input: unknown, driver = "a", given: Offers = offers) =>
  openRun({ ...world.ports(), offers: given })({ input, driver: { id: driver, execution: driver } });

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
});

describe("Open on a stack", () => {
  it("begins what the stack can place, with packed code or with what the image has", async () => {
    expect(await open({ job })).toMatchObject({ action: "train" });
    expect(await open({ job, run: "other", source: { code } })).toMatchObject({ action: "train" });
  });

  it.each<[string, Partial<TrainingJobInput>, RegExp]>([
    ["another image", { image: "jax" }, /^ {2}image must be one of default.*'jax'$/m],
    ["more GPUs than any instance has", { compute: { gpus: 8 } }, /^ {2}compute\.gpus must be at most 1/m],
    ["more memory", { compute: { memory: "900GiB" } }, /^ {2}compute\.memory must be less than 16GiB/m],
    [
      "more virtual CPUs than all together",
      { compute: { vcpus: 96 } },
      /^ {2}compute\.vcpus must be at most 64/m,
    ],
    [
      "a checkpoint in a folder",
      { checkpoint: { from: "../base" } },
      /^ {2}checkpoint\.from must be a run of this stack or an address in S3; it is \.\.\/base/m,
    ],
    [
      "a run in a folder's store",
      { checkpoint: { from: { run: "base-1", store: "/home/alice/.pawl" } } },
      /^ {2}checkpoint\.from must be .*base-1.*\/home\/alice/m,
    ],
  ])(
    "refuses a job that wants %s, in the words of pawl validate, and starts nothing",
    async (_, more, words) => {
      const refused = await open({ job: { ...job, ...more } });
      expect(refused).toMatchObject({ action: "failed", error: "Pawl.JobInvalid" });
      expect(refused).toMatchObject({
        cause: expect.stringContaining("the input's job is not a valid job:\n"),
      });
      expect(refused).toMatchObject({ cause: expect.stringMatching(words) });
      expect(await world.kinds()).toEqual([]);
    },
  );

  it("lets a hand-over go on, though the stack offers less by then", async () => {
    const ports = { ...world.ports(), offers, limits: { turnsPerExecution: 1 } };
    await openRun(ports)({ input: { job }, driver: { id: "a", execution: "a" } });
    const error = {
      Error: "States.TaskFailed",
      Cause: '{"StatusReason": "Host EC2 (instance i-1) terminated."}',
    };
    const next = await recoverRun(ports)({ run, generation: 1, sequence: 1, attempt: 1, error });
    if (next.action !== "continue") throw new Error(`it was answered ${next.action}`);
    const less = { ...offers, images: { other: "image:2" }, instanceTypes: ["t3.micro"] };
    expect(await open({ run }, next.continue.name, less)).toMatchObject({ action: "train", generation: 2 });
  });

  it("refuses code that is in a folder of somebody's machine", async () => {
    expect(await open({ job, source: { folder: "/home/alice/digits" } })).toMatchObject({
      error: "Pawl.JobInvalid",
      cause: expect.stringMatching(/source must be packed code.*'\/home\/alice\/digits'/),
    });
    expect(await world.kinds()).toEqual([]);
  });

  it("tells all that is wrong at once", async () => {
    const wrong = { ...job, image: "jax", checkpoint: { from: "../base" } };
    expect(await open({ job: wrong })).toMatchObject({
      cause: expect.stringMatching(/checkpoint.*\n.*image/),
    });
  });

  it("looks at the job of a run that it is to take over, and leaves that as it was", async () => {
    await world.open("local", { job, source: { folder: "/home/alice/digits" } });
    const before = await world.kinds();
    expect(await open({ run }, "b")).toMatchObject({
      error: "Pawl.JobInvalid",
      cause: expect.stringContaining("the job of run digits-1 is not a valid job"),
    });
    expect(await world.kinds()).toEqual(before);
    expect(await open({ run, source: { code } }, "b")).toMatchObject({ action: "train", generation: 2 });
  });

  it("takes over a run that began from a folder, once an epoch is committed", async () => {
    const from = { ...job, checkpoint: { from: "/models/base" } };
    const head = { state: { ...(await opened()), progress: { epoch: 1, examples: 0, trainedSeconds: 0 } } };
    const { checkPlaceable } = await import("./placeable.ts");
    expect(() => checkPlaceable(offers, { ...head, job: from, source: undefined }, {})).not.toThrow();
  });

  it("breaks no run where a stack was deployed anew that offers less: its own driver goes on", async () => {
    expect(await open({ job: { ...job, compute: { gpus: 1 } } })).toMatchObject({ action: "train" });
    const less = { ...offers, instanceTypes: ["c7i.large"] };
    expect(await open({ run }, "a", less)).toMatchObject({ action: "train" });
  });

  it("answers for a finished run as ever", async () => {
    await world.open("local", { job, source: { folder: "/home/alice/digits" } });
    await world.train(3);
    await world.trained();
    expect(await open({ run }, "b")).toMatchObject({ action: "done" });
  });
});

async function opened() {
  await world.open("a");
  const state = await world.state();
  if (state === undefined) throw new Error("nothing was opened");
  return state;
}

describe("Review on a stack", () => {
  const instance = {
    id: "i-1",
    type: "g5.xlarge",
    zone: "eu-west-1a",
    market: "spot" as const,
    upSeconds: 60,
  };
  const price = async () => {
    const claimed = (await world.journal()).at(-1)?.event;
    return claimed?.type === "started" ? claimed.price : undefined;
  };

  it("notes with a claim what its instance costs: by the stack's own prices, else by what spot costs, else by the table", async () => {
    await world.open("a");
    const prices = { "g5.xlarge": { spot: 0.3 } };
    const ports = { ...world.ports(), prices };
    await world.claim({ instance: { ...instance, spotUsdPerHour: 0.4 } }, ports);
    expect(await price()).toEqual({ usdPerHour: 0.3, from: "given" });
  });

  it("notes no price where nobody knows one, nor where there is no instance", async () => {
    await world.open("a");
    await world.claim({ instance: { ...instance, type: "x99.huge" } });
    expect(await price()).toBeUndefined();
    await world.open("b", { job, run: "other-1" });
    await world.claim({ run: "other-1" });
    expect(await price()).toBeUndefined();
  });

  it("takes no price from an attempt", async () => {
    await world.open("a");
    await expect(world.claim({ instance, price: { usdPerHour: 0, from: "given" } })).rejects.toThrow();
  });
});
