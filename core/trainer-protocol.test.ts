import { describe, expect, it } from "vitest";
import { Measured } from "./measured.ts";
import { aStretch, measuredOf } from "./testing/events.ts";
import { TrainerRequest } from "./trainer-protocol.ts";

describe("what a trainer says that it measured", () => {
  const asked = (measured: object) =>
    TrainerRequest.safeParse({ type: "step", epoch: 1, step: 8, position: 8, canSave: true, measured })
      .success;

  it("does not say on what machine: that is the agent's to say", () => {
    const measured = measuredOf([aStretch(8, 8)]);
    expect(asked(measured)).toBe(true);
    expect(asked({ ...measured, machine: "constructor" })).toBe(false);
    expect(Measured.safeParse({ ...measured, machine: "g5.xlarge" }).success).toBe(true);
  });

  it("has no counts that could not be added up", () => {
    expect(asked(measuredOf([{ ...aStretch(8, 8), examples: Number.MAX_SAFE_INTEGER }]))).toBe(false);
    expect(asked(measuredOf([{ ...aStretch(8, 8), batchSize: 2 ** 41 }]))).toBe(false);
  });
});
