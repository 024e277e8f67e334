import { describe, expect, it } from "vitest";
import { TrainingJob } from "../job.ts";
import type { Measured, Stretch } from "../measured.ts";
import { aStretch, measuredOf } from "../testing/events.ts";
import { begun } from "../testing/story.ts";
import { splitFor, withTrained } from "./memory.ts";

const gibibyte = 2 ** 30;
const job = TrainingJob.parse({
  name: "digits",
  command: ["train"],
  epochs: 9,
  batchSize: 256,
  microBatchSize: "auto",
});

/** What is known of memory after an attempt on a g4dn.xlarge has trained these stretches of its epoch. */
function learnt(stretches: readonly Stretch[], more: Partial<Measured> = {}) {
  const { state } = begun({ batchSize: 256, microBatchSize: "auto" });
  const [live] = state.live;
  if (live === undefined) throw new Error("nothing lives");
  const instance = {
    id: "i-1",
    type: "g4dn.xlarge",
    zone: "eu-west-1a",
    market: "spot" as const,
    upSeconds: 60,
  };
  const measured = { ...measuredOf(stretches), ...more };
  const after = withTrained(state, { ...live, instance }, { epoch: 1, measured }, job);
  const split = splitFor(job, after, { batchSize: 256, machine: "g4dn.xlarge", grows: true });
  return { memory: after.memory, microBatchSize: split.microBatchSize };
}

const small = aStretch(256, 20, {
  microBatchSize: 16,
  memory: { peakBytes: 5 * gibibyte, totalBytes: 15 * gibibyte },
});

describe("what fits into a machine's memory", () => {
  it("is not what a larger machine trained of the epoch before its checkpoint", () => {
    const large = aStretch(256, 100, { microBatchSize: 256, machine: "p4d.24xlarge" });
    const found = learnt([large, small], { machine: "g4dn.xlarge" });
    expect(found.memory).toMatchObject([{ machine: "g4dn.xlarge", fits: 16 }]);
    expect(found).toEqual(learnt([small]));
    expect(found.microBatchSize).toBe(32);
  });

  it("is not told by an epoch of which another machine trained all", () => {
    expect(learnt([aStretch(256, 100)], { machine: "p4d.24xlarge" }).memory).toBeUndefined();
  });

  it("is what a machine of the type trained, also in an earlier attempt", () => {
    const earlier = aStretch(256, 9, { microBatchSize: 64, machine: "g4dn.xlarge" });
    expect(learnt([earlier, small], { machine: "g4dn.xlarge" }).memory).toMatchObject([{ fits: 64 }]);
  });
});
