import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PawlError } from "./errors.ts";
import { JobInput } from "./events.ts";
import { TrainingJob } from "./job.ts";
import { parseJob } from "./parse-job.ts";

const least = { name: "digits", command: ["python3", "train.py"], epochs: 3 };

const job = (more: Record<string, unknown> = {}) => parseJob({ ...least, ...more }, "pawl.yaml").job;

/** What a person is told, line by line. */
function told(input: unknown): string[] {
  try {
    parseJob(input, "pawl.yaml");
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    expect(error).toMatchObject({ code: "JOB_INVALID", exitCode: 2, next: expect.stringMatching(/\.$/) });
    const [first, ...lines] = error.message.split("\n");
    expect(first).toBe("pawl.yaml is not a valid job:");
    return lines.map((line) => line.trim());
  }
  throw new Error(`${JSON.stringify(input)} was accepted`);
}

describe("short and long forms", () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["a batch size", { batchSize: 32 }, { batchSize: { policy: "fixed", size: 32 } }],
    ["a batch size that Pawl chooses", { batchSize: "auto" }, { batchSize: { policy: "auto" } }],
    ["bounds of a batch size", { batchSize: { max: 512 } }, { batchSize: { policy: "auto", max: 512 } }],
    ["bounds that go without saying", { batchSize: "auto" }, { batchSize: {} }],
    ["durations", { retry: { baseDelay: "60s" } }, { retry: { baseDelay: "1min" } }],
    ["long durations", { retry: { maxDelay: "66min" } }, { retry: { maxDelay: "1.1h" } }],
    ["sizes", { compute: { memory: "14GiB" } }, { compute: { memory: "14336MiB" } }],
    [
      "what goes without saying",
      {},
      {
        seed: 0,
        segment: "auto",
        env: {},
        learningRate: { warmUp: 0 },
        checkpoint: { policy: "keep", keep: 3 },
        retry: { failuresWithoutProgress: 5, baseDelay: "1s", maxDelay: "5min" },
        compute: { gpus: 1, vcpus: 4, memory: "14GiB" },
      },
    ],
  ])("of %s parse to the same", (_, short, long) => {
    expect(job(short)).toEqual(job(long));
  });

  it("give durations in seconds and memory in mebibytes", () => {
    const { retry, compute } = job({
      retry: { baseDelay: "250ms", maxDelay: "1.5h" },
      compute: { memory: "512MiB" },
    });
    expect(retry).toMatchObject({ baseDelaySeconds: 0.25, maxDelaySeconds: 5400 });
    expect(compute.memory).toBe(512);
  });

  it("follow the batch size by a rule without a size that it was tuned for, where Pawl chooses: the first one is it", () => {
    expect(job({ batchSize: { start: 32 }, learningRate: { scaling: "sqrt" } }).learningRate).toEqual({
      scaling: "sqrt",
      warmUp: 0,
    });
  });

  it("follow the least loss by a plateau that names no metric, and else the metric in the direction that it says", () => {
    const plateau = { policy: "plateau", metric: "loss", mode: "min" };
    expect(job({ batchSize: { policy: "plateau" } }).batchSize).toMatchObject(plateau);
    const own = { ...plateau, metric: "accuracy", mode: "max" };
    expect(job({ batchSize: own }).batchSize).toMatchObject(own);
  });

  it("still read a plateau of a metric without a direction in a journal of before, as less is better", () => {
    const input = { ...least, batchSize: { policy: "plateau", metric: "accuracy" } };
    expect(JobInput.parse(input)).toBe(input);
    expect(TrainingJob.parse(input).batchSize).toMatchObject({ metric: "accuracy", mode: "min" });
  });

  it("leave the input as it was given", () => {
    const input = { ...least, batchSize: 32 };
    expect(parseJob(input, "pawl.yaml").input).toEqual(input);
  });
});

describe("a job that is wrong is told which field, what is allowed and what it is:", () => {
  it.each<[Record<string, unknown>, ...string[]]>([
    [
      { name: "bad name!" },
      "name must be 1 to 60 letters, digits, '-' or '_', beginning with a letter or digit; it is \"bad name!\"",
    ],
    [{ name: 5 }, 'name must be a text such as "5"; it is 5'],
    [{ command: undefined }, "command is missing"],
    [{ command: [] }, "command must name a program; it is []"],
    [
      { command: "python3 train.py" },
      'command must be a list such as [python3, train.py]; it is "python3 train.py"',
    ],
    [{ command: "a | b" }, 'command must be a list such as [sh, -c, "a | b"]; it is "a | b"'],
    [{ command: ["sleep", 5] }, 'command[1] must be a text such as "5"; it is 5'],
    [{ command: ["a\0"] }, 'command[0] must not hold a NUL; it is "a\\u0000"'],
    [{ epochs: 0 }, "epochs must be at least 1; it is 0"],
    [{ epochs: 1.5 }, "epochs must be a whole number; it is 1.5"],
    [{ epochs: "12" }, 'epochs must be a number; it is "12"'],
    [{ epochs: null }, "epochs must be a number; it is empty"],
    [{ epochs: Number.NaN }, "epochs must be a number; it is .nan"],
    [{ epochs: 1e12 }, "epochs must be at most 999999999; it is 1000000000000"],
    [{ seed: -1 }, "seed must be at least 0; it is -1"],
    [{ batchSize: 0 }, "batchSize must be at least 1; it is 0"],
    [
      { batchSize: "32" },
      'batchSize must be a number, or auto, or fields such as {policy: …, size: …}; it is "32"',
    ],
    [
      { batchSize: "aut" },
      'batchSize must be a number, or auto, or fields such as {policy: …, size: …} (did you mean auto?); it is "aut"',
    ],
    [
      { batchSize: { policy: "fixd", size: 3 } },
      'batchSize.policy must be one of fixed, schedule, plateau, noise-scale, throughput, goodput, auto (did you mean fixed?); it is "fixd"',
    ],
    [
      { batchSize: { policy: "goodpt", max: 512 } },
      'batchSize.policy must be one of fixed, schedule, plateau, noise-scale, throughput, goodput, auto (did you mean goodput?); it is "goodpt"',
    ],
    [{ batchSize: { size: 32 } }, "batchSize.size goes with batchSize.policy fixed only"],
    [
      { batchSize: { policy: "goodput", share: 0.5 } },
      "batchSize.share goes with batchSize.policy noise-scale or throughput only",
    ],
    [{ batchSize: { strat: 32 } }, "batchSize.strat is not a known field; did you mean start?"],
    [
      { batchSize: { colour: "red" } },
      "batchSize.colour is not a known field; known here: policy, start, min, max, multipleOf, step, growth, hold",
    ],
    [
      { batchSize: { policy: "plateau", metric: "accuracy" } },
      'batchSize.mode is missing: give min or max, for whether less or more of "accuracy" is better',
    ],
    [
      { batchSize: { policy: "plateau", metric: "loss" }, epochs: 0 },
      "epochs must be at least 1; it is 0",
      'batchSize.mode is missing: give min or max, for whether less or more of "loss" is better',
    ],
    [{ batchSize: { max: "2048" } }, 'batchSize.max must be a number; it is "2048"'],
    [{ batchSize: { policy: "goodput", threshold: -1 } }, "batchSize.threshold must be at least 0; it is -1"],
    [{ microBatchSize: "auto" }, "microBatchSize is a part of the batch size: give batchSize too"],
    [{ microBatchSize: 4 }, "microBatchSize is a part of the batch size: give batchSize too"],
    [{ batchSize: 8, microBatchSize: 0 }, "microBatchSize must be at least 1; it is 0"],
    [{ batchSize: 8, microBatchSize: "all" }, 'microBatchSize must be auto, or a number; it is "all"'],
    [
      { batchSize: 8, microBatchSize: 16 },
      "microBatchSize must be at most 8, which is the batch size; it is 16",
    ],
    [
      { batchSize: { start: 64, min: 16 }, microBatchSize: 32 },
      "microBatchSize must be at most 16, which is the smallest batch size; it is 32",
    ],
    [
      { batchSize: 16, microBatchSize: 2, memory: { smallestMicroBatch: 4 } },
      "microBatchSize must be at least 4, which is memory.smallestMicroBatch; it is 2",
    ],
    [
      { batchSize: 14, microBatchSize: 6, memory: { smallestMicroBatch: 3 } },
      "microBatchSize must be such that each batch has equal parts of from 3 (memory.smallestMicroBatch) to so many examples: 14 examples have none; it is 6",
    ],
    [
      { batchSize: 8, memory: { smallestMicroBatch: 16 } },
      "memory.smallestMicroBatch must be at most 8, which is the batch size; it is 16",
    ],
    [
      { batchSize: { policy: "fixed", sise: 3 } },
      "batchSize.size is missing",
      "batchSize.sise is not a known field; did you mean size?",
    ],
    [{ batchSize: { policy: "schedule", steps: [] } }, "batchSize.steps must not be empty; it is []"],
    [
      { batchSize: { policy: "schedule", steps: [{ fromEpoch: 2, size: 3 }] } },
      'batchSize.steps must begin with fromEpoch: 1; it is [{"fromEpoch":2,"size":3}]',
    ],
    [
      {
        batchSize: {
          policy: "schedule",
          steps: [
            { fromEpoch: 1, size: 3 },
            { fromEpoch: 1, size: 3 },
          ],
        },
      },
      'batchSize.steps must have a larger fromEpoch in each step than in the one before; it is [{"fromEpoch":1,"size":3},{"fromEpoch":1,"size":3}]',
    ],
    [
      { batchSize: { policy: "schedule", steps: [{ fromEpoch: 1, size: 0 }, { fromepoch: 4, size: 1 }, 5] } },
      "batchSize.steps[0].size must be at least 1; it is 0",
      "batchSize.steps[1].fromEpoch is missing",
      "batchSize.steps[1].fromepoch is not a known field; did you mean fromEpoch?",
      "batchSize.steps[2] must be fields such as {fromEpoch: …, size: …}; it is 5",
    ],
    [
      { learningRate: "sqrt" },
      'learningRate must be fields such as {scaling: …, referenceBatchSize: …}; it is "sqrt"',
    ],
    [
      { learningRate: { scaling: "sqroot" } },
      'learningRate.scaling must be one of none, linear, sqrt, adascale, auto (did you mean sqrt?); it is "sqroot"',
    ],
    [
      {
        learningRate: { scaling: "adascale" },
        batchSize: { policy: "schedule", steps: [{ fromEpoch: 1, size: 3 }] },
      },
      "learningRate.referenceBatchSize is needed with this scaling: the batch size that the learning rate was tuned for",
    ],
    [
      { learningRate: { scaling: "sqrt" }, batchSize: 8 },
      "learningRate.referenceBatchSize is needed with this scaling: the batch size that the learning rate was tuned for",
    ],
    [
      { learningRate: { scaling: "linear", referenceBatchSize: 8 } },
      "learningRate.scaling 'linear' follows the batch size: give batchSize too",
    ],
    [
      { checkpoint: "non" },
      'checkpoint must be none, or fields such as {policy: …, keep: …} (did you mean none?); it is "non"',
    ],
    [{ checkpoint: { keep: 0 } }, "checkpoint.keep must be at least 1; it is 0"],
    [
      { checkpoint: { every: "sometimes" } },
      'checkpoint.every must be auto, or epoch, or a duration such as 30s, 5min or 2h, or fields such as {steps: …}; it is "sometimes"',
    ],
    [
      { checkpoint: { every: "epochs" } },
      'checkpoint.every must be auto, or epoch, or a duration such as 30s, 5min or 2h, or fields such as {steps: …} (did you mean epoch?); it is "epochs"',
    ],
    [{ checkpoint: { every: "8d" } }, 'checkpoint.every must be more than 0s and at most 7d; it is "8d"'],
    [
      { checkpoint: { every: { step: 5 } } },
      "checkpoint.every.steps is missing",
      "checkpoint.every.step is not a known field; did you mean steps?",
    ],
    [
      { retry: { budgets: { "spot-reclaims": 3, "gpu-oom": 0 } } },
      "retry.budgets.gpu-oom must be at least 1; it is 0",
      "retry.budgets.spot-reclaims is not a known field; did you mean spot-reclaim?",
    ],
    [
      { retry: { budgets: 3 } },
      "retry.budgets must be fields such as {user-exception: …, no-checkpoint: …}; it is 3",
    ],
    [
      { memory: { smallestMicroBatch: 8 } },
      "memory.smallestMicroBatch is a part of the batch size: give batchSize too",
    ],
    [
      { stall: { limit: "never" } },
      'stall.limit must be auto, or none, or a duration such as 30s, 5min or 2h; it is "never"',
    ],
    [{ stall: { limit: "10ms" } }, 'stall.limit must be at least 1s and at most 7d; it is "10ms"'],
    [
      { checkpoint: { best: "accuracy" } },
      'checkpoint.best must be fields such as {metric: …, mode: …}; it is "accuracy"',
    ],
    [
      { checkpoint: { best: { metrc: "a", mode: "max" } } },
      "checkpoint.best.metric is missing",
      "checkpoint.best.metrc is not a known field; did you mean metric?",
    ],
    [
      { checkpoint: { best: { metric: "a", mode: "maks" } } },
      'checkpoint.best.mode must be one of min, max (did you mean max?); it is "maks"',
    ],
    [{ stop: { metric: "a", mode: "max" } }, "stop.target is missing: give target or patience, or both"],
    [{ stop: { metric: "a", mode: "max", patience: 0 } }, "stop.patience must be at least 1; it is 0"],
    [{ segment: "aut" }, 'segment must be auto, or a number (did you mean auto?); it is "aut"'],
    [{ segment: 0 }, "segment must be at least 1; it is 0"],
    [
      { retry: { failureswithoutprogress: 3 } },
      "retry.failureswithoutprogress is not a known field; did you mean failuresWithoutProgress?",
    ],
    [{ retry: { baseDelay: 5 } }, "retry.baseDelay must be a duration such as 30s, 5min or 2h; it is 5"],
    [
      { retry: { baseDelay: "5 s" } },
      'retry.baseDelay must be a duration such as 30s, 5min or 2h; it is "5 s"',
    ],
    [
      { retry: { baseDelay: "-5s" } },
      'retry.baseDelay must be a duration such as 30s, 5min or 2h; it is "-5s"',
    ],
    [
      { retry: { baseDelay: "10min" } },
      'retry.baseDelay must not be longer than maxDelay, which is 5min unless it is given; it is "10min"',
    ],
    [{ retry: { maxDelay: "2d" } }, 'retry.maxDelay must be at most 1d; it is "2d"'],
    [{ compute: { memory: "14GB" } }, 'compute.memory must be a size such as 512MiB or 14GiB; it is "14GB"'],
    [{ compute: { memory: 14 } }, "compute.memory must be a size such as 512MiB or 14GiB; it is 14"],
    [{ compute: { gpu: 1 } }, "compute.gpu is not a known field; did you mean gpus?"],
    [{ data: "../x" }, 'data must be a path inside the job file\'s folder; it is "../x"'],
    [{ data: "/x" }, 'data must be a path inside the job file\'s folder; it is "/x"'],
    [{ data: "a/../../b" }, 'data must be a path inside the job file\'s folder; it is "a/../../b"'],
    [{ data: "" }, 'data must not be empty; it is ""'],
    [
      { env: { "1A": "x" } },
      "env.1A is not a name allowed here: must be letters, digits and '_', not beginning with a digit",
    ],
    [
      { env: { PAWL_EPOCH: "x" } },
      "env.PAWL_EPOCH is not a name allowed here: names that begin with PAWL_ are Pawl's own",
    ],
    [{ env: { A: 5 } }, 'env.A must be a text such as "5"; it is 5'],
    [{ env: { A: true } }, 'env.A must be a text such as "true"; it is true'],
    [{ env: ["A=b"] }, 'env must be fields such as {name: value}; it is ["A=b"]'],
    [{ batchsize: 3 }, "batchsize is not a known field; did you mean batchSize?"],
    [{ epoch: 3 }, "epoch is not a known field; did you mean epochs?"],
    [
      { colour: "red" },
      "colour is not a known field; known here: name, command, epochs, seed, batchSize, microBatchSize, learningRate, checkpoint, stop, segment, retry, memory, numeric, stall, compute, image, budgetUsd, data, env",
    ],
    [{ command: ["x", "{batchSize}"] }, "command[1] {batchSize} has no value: give batchSize too"],
    [
      { command: ["x", "--micro={microBatchSize}"] },
      "command[1] {microBatchSize} has no value: give batchSize too",
    ],
    [{ command: ["x", "{dataDir}"] }, "command[1] {dataDir} has no value: give data too"],
    [{ command: ["x", "{batchsize}"], batchSize: 3 }, "command[1] {batchsize}: did you mean {batchSize}?"],
  ])("%j", (more, ...lines) => {
    expect(told({ ...least, ...more })).toEqual(lines);
  });

  it.each([
    [null, "the job must be fields such as {name: value}; it is empty"],
    [[1], "the job must be fields such as {name: value}; it is [1]"],
    ["text", 'the job must be fields such as {name: value}; it is "text"'],
  ])("%j as a whole", (input, line) => {
    expect(told(input)).toEqual([line]);
  });

  it("each of several wrong fields", () => {
    expect(told({ epochs: 0, seed: "x", colour: 1 })).toEqual([
      "name is missing",
      "command is missing",
      "epochs must be at least 1; it is 0",
      'seed must be a number; it is "x"',
      expect.stringContaining("colour is not a known field"),
    ]);
  });

  it("also where the value is long, which is cut short", () => {
    const [line] = told({ ...least, name: "x".repeat(10_000) });
    expect(line?.length).toBeLessThan(250);
  });
});

describe("any input", () => {
  it("is a job or is refused in words of ours, and nothing else is thrown", () => {
    const fields = [...Object.keys(job()), "stop", "data", "batchSize", "__proto__", "x"];
    const inputs = fc.oneof(
      fc.anything(),
      fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()).map((more) => ({ ...least, ...more })),
    );
    fc.assert(
      fc.property(inputs, (input) => {
        try {
          expect(parseJob(input, "pawl.yaml").job.epochs).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof PawlError)) throw error;
          expect(error.code).toBe("JOB_INVALID");
          // Zod's own sentences begin with a capital letter and do not name the value.
          expect(error.message).not.toMatch(/Invalid|Unrecognized|expected|undefined/);
        }
      }),
      { numRuns: 500 },
    );
  });
});
