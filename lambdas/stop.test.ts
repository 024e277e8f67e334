import { beforeEach, describe, expect, it } from "vitest";
import { openFolderStore } from "../store/folder.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { FakeWorld, job, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
let world: FakeWorld;

const interrupted = (jobId = "job-a") => ({
  Error: "States.TaskFailed",
  Cause: JSON.stringify({ JobId: jobId, StatusReason: "Stopped by alice@laptop" }),
});

/** Ports as another process has them. */
const another = async () => world.ports(await openFolderStore(world.store.address));

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  await world.open("a");
  world.alive.add("a");
});

describe("Stop", () => {
  it("has the attempt end, and the run stopped when it has", async () => {
    await world.train(1);
    const asked = await world.stop("x");
    expect(asked).toMatchObject({ action: "stopping", epoch: 1, who: "execution a" });
    await world.save(2);
    expect((await world.report(2)).answer).toMatchObject({ action: "finish" });
    expect(await world.recover(interrupted())).toMatchObject({ action: "done" });
    expect(await world.state()).toMatchObject({
      status: "stopped",
      progress: { epoch: 2 },
      failures: { recent: [{ class: "interrupted", message: "Stopped by alice@laptop" }] },
    });
    expect(await world.stop("x", { sequence: asked.sequence })).toMatchObject({
      action: "stopped",
      epoch: 2,
      stop: { id: "x", by: "alice@laptop" },
      who: "execution a",
    });
    expect((await world.kinds()).filter((kind) => kind.startsWith("stop"))).toEqual([
      "stop-asked",
      "stopped",
    ]);
  });

  it("asks whether the driver lives, and stops a run at once whose driver does not", async () => {
    await world.train(1);
    world.alive.clear();
    const stopped = await world.stop("x");
    expect(stopped).toMatchObject({ action: "stopped", epoch: 1 });
    expect(stopped).not.toHaveProperty("who");
    expect(await world.open("b", { run })).toMatchObject({ action: "train", generation: 2 });
    expect(await world.kinds()).toEqual(["opened", "claimed", "reported", "committed", "stopped", "resumed"]);
    expect(await world.stop("x")).toMatchObject({ action: "went-on" });
  });

  it("is final once the driver has died that was to see to it", async () => {
    await world.claim();
    expect(await world.stop("x")).toMatchObject({ action: "stopping" });
    world.alive.clear();
    expect(await world.stop("x")).toMatchObject({ action: "stopped" });
    expect(await world.kinds()).toEqual(["opened", "claimed", "stop-asked", "stopped"]);
  });

  it("journals nothing for a run that has ended, nor for one that is stopped already", async () => {
    await world.train(3);
    await world.trained();
    const before = await world.kinds();
    expect(await world.stop("x")).toMatchObject({ action: "over", status: "finished", epoch: 3 });
    expect(await world.kinds()).toEqual(before);
    await world.open("b", { job, run: "other-1" });
    const other = { run: "other-1" };
    expect(await world.stop("x", other)).toMatchObject({ action: "stopped" });
    expect(await world.stop("y", other)).toMatchObject({ action: "stopped", stop: { id: "x" } });
  });

  it("knows only runs that there are", async () => {
    await expect(world.stop("x", { run: "none-1" })).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await expect(world.stop("")).rejects.toThrow();
    expect(await world.kinds()).toEqual(["opened"]);
  });
});

describe("eight who ask for a stop at once", () => {
  it("write one entry, and all are told who was first", async () => {
    await world.claim();
    const people = await Promise.all(Array.from({ length: 8 }, another));
    const answers = await Promise.all(people.map((ports, i) => world.stop(`x${i}`, {}, ports)));
    const state = await world.state();
    expect(answers.map((answer) => "stop" in answer && answer.stop)).toEqual(answers.map(() => state?.stop));
    expect(await world.kinds()).toEqual(["opened", "claimed", "stop-asked"]);
  });

  it("while the run comes to its end leave one end, whichever comes first", async () => {
    const ends = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      world = await FakeWorld.make(await freshFolder());
      await world.open("a");
      world.alive.add("a");
      await world.train(3);
      const [asking, ending] = [await another(), await another()];
      const ended = world.trained({}, ending);
      // Each round gives the end a little more of a start.
      for (let turn = 0; turn < round * 4; turn += 1) await new Promise(setImmediate);
      const answer = await world.stop("x", {}, asking);
      expect(await ended).toMatchObject({ action: "done" });
      ends.add(answer.action);
      expect(await world.state()).toMatchObject({ status: "finished", progress: { epoch: 3 } });
      expect((await world.state())?.stop).toBeUndefined();
    }
    expect([...ends].every((end) => end === "stopping" || end === "over")).toBe(true);
  });
});

describe("a stop whose answer is lost", () => {
  it("is journalled once, and asked again it tells the same", async () => {
    await world.claim();
    const losing = storeVariant(world.store, {
      create: async (...all) => {
        await world.store.create(...all);
        throw new Error("the answer was lost");
      },
    });
    await expect(world.stop("x", {}, world.ports(losing))).rejects.toThrow("lost");
    expect(await world.stop("x")).toMatchObject({ action: "stopping", stop: { id: "x" } });
    expect(await world.kinds()).toEqual(["opened", "claimed", "stop-asked"]);
  });
});
