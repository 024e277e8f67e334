import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { jobChanges, jobDigest } from "./job-digest.ts";
import { aJob } from "./testing/events.ts";

const parsed = (more: Partial<TrainingJobInput> = {}) => TrainingJob.parse(aJob(more));

describe("a job's digest", () => {
  it("is the same for what means the same: order, short forms and defaults spelt out", () => {
    const plain = parsed({ batchSize: 32, env: { A: "1", B: "2" } });
    const { name, ...others } = aJob({ env: { B: "2", A: "1" }, batchSize: { size: 32, policy: "fixed" } });
    const spelt = TrainingJob.parse({
      seed: 0,
      segment: "auto",
      retry: { baseDelay: "1000ms" },
      ...others,
      name,
    });
    expect(jobDigest(spelt)).toBe(jobDigest(plain));
    expect(jobChanges(plain, spelt)).toEqual([]);
    expect(jobDigest(plain)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<Partial<TrainingJobInput>>([
    { epochs: 6 },
    { seed: 1 },
    { command: ["python3 train.py"] },
    { command: ["python3", "train.py", ""] },
    { command: ["train.py", "python3"] },
    { env: { A: "" } },
    { checkpoint: "none" },
    { checkpoint: { keep: 4 } },
    { batchSize: 1 },
    { data: "x" },
  ])("is another for %j", (more) => {
    expect(jobDigest(parsed(more))).not.toBe(jobDigest(parsed()));
    expect(jobChanges(parsed(), parsed(more)).length).toBeGreaterThan(0);
  });

  it("cannot be the same for two jobs of which one holds the other's lines as text", () => {
    const text = fc.string({ unit: fc.constantFrom("=", "\n", '"', "a", ".", "[0]", "\\") });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), fc.array(text, { minLength: 1 }), (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        const [first, second] = [
          ["x", ...one],
          ["x", ...other],
        ].map((command) => jobDigest(parsed({ command })));
        expect(first === second).toBe(same);
      }),
    );
  });
});

describe("changes between two jobs", () => {
  it("are named by their field, with what was and what is", () => {
    const before = parsed({ batchSize: 32, env: { A: "1" } });
    const after = parsed({ epochs: 9, batchSize: 64, command: ["python3", "train.py", "-v"], env: {} });
    expect(jobChanges(before, after)).toEqual([
      { field: "batchSize.size", before: "32", after: "64" },
      { field: "command[2]", after: '"-v"' },
      { field: "env", after: "{}" },
      { field: "env.A", before: '"1"' },
      { field: "epochs", before: "5", after: "9" },
    ]);
  });
});
