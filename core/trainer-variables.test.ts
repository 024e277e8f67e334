import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  environmentName,
  fillPlaceholders,
  type TrainerContext,
  trainerEnvironment,
  trainerVariableNames,
  variableProblem,
} from "./trainer-variables.ts";

const context: TrainerContext = {
  run: "digits-1",
  attempt: 2,
  epochs: 9,
  plan: {
    epoch: 3,
    seed: 7,
    batchSize: 32,
    microBatchSize: 32,
    accumulation: 1,
    learningRateScale: 0.5,
    checkpoint: true,
  },
  checkpointDir: "/work/checkpoint",
  metricsFile: "/work/metrics.json",
  dataDir: undefined,
};

const all = { batchSize: true, dataDir: true };

describe("placeholders in the command's arguments", () => {
  it.each([
    ["--batch-size={batchSize}", "--batch-size=32"],
    ["{epoch}/{epochs}", "3/9"],
    ["{lrScale} {seed} {attempt} {run}", "0.5 7 2 digits-1"],
    ["{{epoch}}", "{epoch}"],
    ["{{{epoch}}}", "{{epoch}}"],
    ["{{epoch}} is {epoch}", "{epoch} is 3"],
    ['{"epoch": 1, "size": {"a": []}}', '{"epoch": 1, "size": {"a": []}}'],
    ["{loss:.3f} {} { epoch } {HOME} {a,b}", "{loss:.3f} {} { epoch } {HOME} {a,b}"],
    ["{unknown} {constructor} {toString}", "{unknown} {constructor} {toString}"],
    ["{dataDir}", "{dataDir}"],
  ])("%s becomes %s", (argument, filled) => {
    expect(fillPlaceholders(argument, context)).toBe(filled);
  });

  it("are filled in once: a value that looks like one stays as it is", () => {
    expect(fillPlaceholders("{run}", { ...context, run: "{epoch}" })).toBe("{epoch}");
    expect(fillPlaceholders("{run}", { ...context, run: "$&$1" })).toBe("$&$1");
  });

  it("leave every text alone that has none, JSON included", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.string({ unit: fc.constantFrom("{", "}", '"', " ", "1", "$") }),
        (json, text) => {
          const untouched = json.replaceAll(/\{[A-Za-z]+\}/g, "");
          expect(fillPlaceholders(untouched, context)).toBe(untouched);
          expect(fillPlaceholders(text, context)).toBe(text);
          expect(variableProblem(text, all)).toBeUndefined();
        },
      ),
    );
  });

  it.each([
    ["{batchSize}", { batchSize: false, dataDir: true }, "{batchSize} has no value: give batchSize too"],
    [
      "{accumulation}",
      { batchSize: false, dataDir: true },
      "{accumulation} has no value: give batchSize too",
    ],
    ["{dataDir}/x", { batchSize: true, dataDir: false }, "{dataDir} has no value: give data too"],
    ["{batchsize}", all, "{batchsize}: did you mean {batchSize}?"],
    ["{EPOCH}", all, "{EPOCH}: did you mean {epoch}?"],
    ["{{batchsize}}", all, undefined],
    ["{{batchSize}}", { batchSize: false, dataDir: false }, undefined],
    ["{batchSize} {dataDir} {epoch}", all, undefined],
    ["{loss}", all, undefined],
    ["{batchSzie}", all, "{batchSzie}: did you mean {batchSize}? ({{batchSzie}} stands for {batchSzie})"],
    ["{epoc}", all, "{epoc}: did you mean {epoch}? ({{epoc}} stands for {epoc})"],
    ["{{epoc}}", all, undefined],
    ["{sed}", all, undefined],
    ["{each}", all, undefined],
    ["{data}", all, undefined],
  ])("%s is found fault with, or not: %o %s", (argument, has, problem) => {
    expect(variableProblem(argument, has)).toBe(problem);
  });
});

describe("the environment of the trainer", () => {
  it("has every variable that has a value, by its name in capitals", () => {
    expect(trainerEnvironment(context)).toEqual({
      PAWL_RUN: "digits-1",
      PAWL_ATTEMPT: "2",
      PAWL_EPOCH: "3",
      PAWL_EPOCHS: "9",
      PAWL_SEED: "7",
      PAWL_BATCH_SIZE: "32",
      PAWL_MICRO_BATCH_SIZE: "32",
      PAWL_ACCUMULATION: "1",
      PAWL_LR_SCALE: "0.5",
      PAWL_CHECKPOINT_DIR: "/work/checkpoint",
      PAWL_METRICS_FILE: "/work/metrics.json",
    });
    expect(trainerEnvironment({ ...context, dataDir: "/data" }).PAWL_DATA_DIR).toBe("/data");
  });

  it("says the same as the placeholders", () => {
    const environment = trainerEnvironment(context);
    for (const name of trainerVariableNames)
      expect(fillPlaceholders(`{${name}}`, context)).toBe(environment[environmentName(name)] ?? `{${name}}`);
  });
});
