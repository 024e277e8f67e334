import { describe, expect, it } from "vitest";
import { openFolderStore } from "../store/folder.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import type { Ports } from "./ports.ts";
import { FakeWorld, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });

type Step = (world: FakeWorld, ports: Ports) => Promise<unknown>;

const reclaimed = {
  Error: "States.TaskFailed",
  Cause: JSON.stringify({ JobId: "job-a", StatusReason: "Host EC2 (instance i-0) terminated." }),
};
const second = { attempt: 2, batchJobId: "job-2" };

/** A run's whole life, a question at a time: each writes one entry. */
const life: readonly (readonly [string, Step])[] = [
  ["Open", (world, ports) => world.open("a", undefined, ports)],
  ["a claim", (world, ports) => world.claim({}, ports)],
  ["a report", (world, ports) => world.report(1, {}, ports)],
  ["a commit", (world, ports) => world.commit(1, {}, ports)],
  ["the next report", (world, ports) => world.report(2, {}, ports)],
  ["Recover, with something to adopt", (world, ports) => world.recover(reclaimed, {}, ports)],
  ["another claim", (world, ports) => world.claim(second, ports)],
  ["the last report", (world, ports) => world.report(3, second, ports)],
  ["the last commit", (world, ports) => world.commit(3, { ...second, checkpoint: "3-2" }, ports)],
  ["Train's success", (world, ports) => world.trained({ attempt: 2, result: { jobId: "job-2" } }, ports)],
];

async function prepare(): Promise<FakeWorld> {
  const world = await FakeWorld.make(await freshFolder());
  for (const [epoch, attempt] of [
    [1, 1],
    [2, 1],
    [3, 2],
  ] as const)
    await world.save(epoch, attempt);
  return world;
}

/** What a run ends as, when nothing goes wrong. */
const kinds = [
  "opened",
  "claimed",
  "reported",
  "committed",
  "reported",
  "recovered",
  "claimed",
  "reported",
  "committed",
  "finished",
];

async function expectWhole(world: FakeWorld): Promise<void> {
  expect(await world.kinds()).toEqual(kinds);
  expect(await world.state()).toMatchObject({
    status: "finished",
    progress: { epoch: 3 },
    recent: [{ attempt: 1 }, { attempt: 1 }, { attempt: 2 }],
    failures: { total: 1 },
  });
}

describe("eight handlers that are asked the same at once", () => {
  it("write one entry and give one answer, whatever the question", async () => {
    const world = await prepare();
    for (const [what, step] of life) {
      const before = (await world.kinds()).length;
      const processes = await Promise.all(
        Array.from({ length: 8 }, async () => world.ports(await openFolderStore(world.store.address))),
      );
      const answers = await Promise.all(processes.map((ports) => step(world, ports)));
      for (const answer of answers) expect(answer, what).toEqual(answers[0]);
      expect((await world.kinds()).length, what).toBe(before + 1);
    }
    await expectWhole(world);
  });

  it("let one of eight Batch jobs have the assignment, and name it to the others", async () => {
    const world = await prepare();
    await world.open("a");
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, i) => world.claim({ batchJobId: `job-${i}` }, world.ports())),
    );
    const winner = replies.findIndex(({ answer }) => answer.action === "begin");
    expect(replies.filter(({ answer }) => answer.action === "begin")).toHaveLength(1);
    for (const { answer } of replies)
      expect(answer).toMatchObject(
        answer.action === "begin" ? {} : { action: "leave", winner: `job-${winner}` },
      );
  });

  it("let one of eight drivers take a run over", async () => {
    const world = await prepare();
    await world.open("a");
    const drivers = Array.from({ length: 8 }, (_, i) => `driver-${i}`);
    for (const driver of drivers) world.alive.add(driver);
    const answers = await Promise.all(drivers.map((driver) => world.open(driver, { run }, world.ports())));
    expect(answers.filter(({ action }) => action === "train")).toHaveLength(1);
    expect(
      answers.filter((answer) => answer.action === "failed" && answer.error === "Pawl.RunHeld"),
    ).toHaveLength(7);
    expect((await world.state())?.generation).toBe(2);
  });
});

/** A store that fails once, at its nth call: before it did anything, or after, so that only the answer is lost. */
function failingAt(
  store: ObjectStore,
  nth: number,
  late: boolean,
): { store: ObjectStore; failed: () => boolean } {
  let calls = 0;
  const at = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    calls += 1;
    if (calls !== nth) return await call();
    if (late) await call();
    throw new Error("the store failed");
  };
  const variant = storeVariant(store, {
    create: (...all) => at(() => store.create(...all)),
    read: (key) => at(() => store.read(key)),
    has: (key) => at(() => store.has(key)),
    open: (key) => at(() => store.open(key)),
  });
  return { store: variant, failed: () => calls >= nth };
}

describe("a store that fails at any call of any question", () => {
  it.each([
    ["before it has done anything", false],
    ["when it has done it, so that the answer is lost", true],
  ])("%s leaves a journal that goes on, with each decision once", async (_, late) => {
    const world = await prepare();
    let failures = 0;
    for (const [what, step] of life) {
      for (let nth = 1; ; nth += 1) {
        const failing = failingAt(world.store, nth, late);
        const asked = step(world, world.ports(failing.store));
        const [outcome] = await Promise.allSettled([asked]);
        if (!failing.failed()) break;
        failures += 1;
        expect(outcome?.status, `${what}, call ${nth}`).toBe("rejected");
        expect(nth, what).toBeLessThan(50);
      }
      await step(world, world.ports());
    }
    expect(failures).toBeGreaterThan(life.length * 2);
    await expectWhole(world);
  });
});
