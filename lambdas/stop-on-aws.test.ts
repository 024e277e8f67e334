import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import type { JobRef, Ports } from "./ports.ts";
import { stopOnAws } from "./stop.ts";
import { FakeWorld, run } from "./testing/fake-world.ts";

const freshFolder = temporaryFolders({ fast: true });
const execution = "arn:aws:states:eu-west-1:111122223333:execution:pawl-Runs:a";
let world: FakeWorld;
let ended: (readonly [JobRef, string])[];

beforeEach(async () => {
  world = await FakeWorld.make(await freshFolder());
  ended = [];
});

function ports(): Ports {
  const own = world.ports();
  return {
    ...own,
    jobs: {
      look: own.jobs.look,
      end: async (job, reason) => {
        ended.push([job, reason]);
        return await own.jobs.end(job, reason);
      },
    },
  };
}

const begin = async (id = execution) => {
  await world.open(id.slice(0, 80));
  world.alive.add(id.slice(0, 80));
};
const stop = (id = "x") => stopOnAws(ports())({ run, id, by: "alice@laptop" });
const one = { run, attempt: 1, batchJobId: "job-a" };

describe("Stop on AWS", () => {
  it("journals the intent, and ends the Batch job with it for its reason", async () => {
    await begin();
    await world.claim();
    expect(await stop()).toMatchObject({ action: "stopping" });
    expect(ended).toEqual([[one, "Stopped by alice@laptop"]]);
    expect((await world.state())?.stop).toMatchObject({ id: "x", by: "alice@laptop" });
  });

  it("ends a job that nobody has claimed, too", async () => {
    await begin();
    expect(await stop()).toMatchObject({ action: "stopping" });
    expect(ended).toEqual([[{ run, attempt: 1, batchJobId: undefined }, "Stopped by alice@laptop"]]);
  });

  it("gives the reason of the intent in force, whoever asks after it", async () => {
    await begin();
    await world.claim();
    await stop();
    await stopOnAws(ports())({ run, id: "y", by: "bob" });
    expect(ended.map(([, reason]) => reason)).toEqual(["Stopped by alice@laptop", "Stopped by alice@laptop"]);
  });

  it("ends what a driver has left that is gone", async () => {
    await begin();
    await world.claim();
    world.alive.clear();
    expect(await stop()).toMatchObject({ action: "stopped" });
    expect(ended).toEqual([[one, "Stopped by alice@laptop"]]);
  });

  it("ends nothing of a run that trains on somebody's machine, nor of one that is over", async () => {
    await begin("local:lease:digits-1-a");
    await world.claim();
    expect(await stop()).toMatchObject({ action: "stopping" });
    expect(ended).toEqual([]);
  });

  it("ends nothing of a run that is over", async () => {
    await begin();
    await world.train(3);
    await world.trained();
    expect(await stop()).toMatchObject({ action: "over" });
    expect(ended).toEqual([]);
  });

  it("knows only runs that there are", async () => {
    await expect(stop()).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});
