import { describe, expect, it } from "vitest";
import { Manifest, summarize } from "./manifest.ts";
import { aReport, aStretch, measuredOf } from "./testing/events.ts";

const digest = "0".repeat(64);

const plan = {
  ...{ epoch: 2, seed: 0, batchSize: 16, microBatchSize: 16, accumulation: 1, learningRateScale: 2 },
  checkpoint: true,
};
const measured = measuredOf([aStretch(8, 16), aStretch(16, 4)]);

const ofPart = {
  version: 1,
  run: "digits-1",
  name: "2-1-20",
  attempt: 1,
  epoch: 2,
  step: 20,
  seconds: 20,
  position: 192,
  plan,
  measured,
  at: "2026-01-01T00:00:00.000Z",
  jobDigest: digest,
  files: [],
  reports: [aReport(1)],
};

describe("the manifest of a checkpoint from the middle of an epoch", () => {
  it("says how the epoch is trained and what was measured of it", () => {
    const manifest = Manifest.parse(ofPart);
    expect(summarize(manifest)).toMatchObject({ step: 20, plan, measured });
  });

  it("is still one without these, as earlier versions wrote it", () => {
    const { plan: _plan, measured: _measured, ...earlier } = ofPart;
    expect(Manifest.safeParse(earlier).success).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ["a plan of another epoch", { plan: { ...plan, epoch: 3 } }],
    ["a plan without a step", { step: undefined, seconds: undefined, position: undefined, epoch: 1 }],
    [
      "measurements without a step",
      { step: undefined, seconds: undefined, position: undefined, epoch: 1, plan: undefined },
    ],
  ])("does not have %s", (_, more) => {
    const { success, error } = Manifest.safeParse({ ...ofPart, ...more });
    expect(success).toBe(false);
    expect(error?.issues.map(({ message }) => message)).toEqual([
      "says of a step, a position and reports what does not go together",
    ]);
  });
});
