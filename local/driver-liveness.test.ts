import { describe, expect, it } from "vitest";
import { FakeWorld, run } from "../lambdas/testing/fake-world.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { localLiveness } from "./driver-liveness.ts";

const freshFolder = temporaryFolders({ fast: true });
const arn = "arn:aws:states:eu-west-1:1:execution:pawl-Runs:a";
const driver = { id: arn, execution: "a" };

describe("whether a run may be trained on this machine that an execution on AWS drove", () => {
  it("is asked of that execution while the run is under way, and not once it is at rest", async () => {
    const world = await FakeWorld.make(await freshFolder());
    await world.open(arn.slice(0, 80));
    const asked: string[] = [];
    const liveness = localLiveness(world.store, world.ports().journal, async (id) => {
      asked.push(id);
      return true;
    });
    expect(await liveness.check(run, driver)).toEqual({ alive: true, who: "execution a" });
    await world.train(3);
    await world.trained();
    expect(await liveness.check(run, driver)).toEqual({ alive: false, who: "execution a" });
    expect(asked).toEqual([arn]);
  });

  it("is no where nobody can be asked", async () => {
    const world = await FakeWorld.make(await freshFolder());
    await world.open(arn.slice(0, 80));
    const liveness = localLiveness(world.store, world.ports().journal);
    expect(await liveness.check(run, driver)).toMatchObject({ alive: false });
  });
});
