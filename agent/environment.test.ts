import { describe, expect, it } from "vitest";
import { readAgentEnvironment, readStopSeconds } from "./environment.ts";

const given = {
  PAWL_RUN: "digits-1",
  PAWL_ATTEMPT: "2",
  PAWL_SEQUENCE: "7",
  PAWL_STORE: "s3://bucket",
  AWS_BATCH_JOB_ID: "5f2b9c2e-0000-4000-8000-000000000000",
};

describe("the agent's environment", () => {
  it("names a folder that is the attempt's alone, or one that attempts make theirs in", () => {
    expect(readAgentEnvironment({ ...given, PAWL_ATTEMPT_FOLDER: "/own" })).toMatchObject({
      folder: "/own",
      scratch: undefined,
    });
    const scratch = "/scratch";
    expect(readAgentEnvironment({ ...given, PAWL_SCRATCH: scratch })).toMatchObject({
      folder: `/scratch/${given.AWS_BATCH_JOB_ID}`,
      scratch,
    });
    const both = { ...given, PAWL_SCRATCH: scratch, PAWL_ATTEMPT_FOLDER: "/own" };
    expect(readAgentEnvironment(both)).toMatchObject({ folder: "/own", scratch: undefined });
  });

  it.each([
    [{}, "PAWL_SCRATCH"],
    [{ PAWL_SCRATCH: "scratch" }, "PAWL_SCRATCH"],
    [{ PAWL_SCRATCH: "/scratch", AWS_BATCH_JOB_ID: "../other" }, "AWS_BATCH_JOB_ID"],
    [{ PAWL_SCRATCH: "/scratch", AWS_BATCH_JOB_ID: ".." }, "AWS_BATCH_JOB_ID"],
    [{ PAWL_SCRATCH: "/scratch", PAWL_REVIEW: "" }, "PAWL_REVIEW"],
  ])("is refused with %j, naming the variable", (wrong, name) => {
    expect(() => readAgentEnvironment({ ...given, ...wrong })).toThrow(name);
  });

  it("says how long there is between SIGTERM and SIGKILL; as long as Batch gives where it does not", () => {
    expect(readStopSeconds({ PAWL_STOP_SECONDS: "120" })).toBe(120);
    expect(readStopSeconds({})).toBe(30);
    expect(readStopSeconds({ PAWL_STOP_SECONDS: "soon" })).toBe(30);
  });
});
