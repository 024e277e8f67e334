import type { TrainingJobInput } from "../../core/job.ts";
import { checkJob, jobInvalid } from "../../core/parse-job.ts";
import type { Execution, ExecutionEnd, Fault, Line, Moment, RunEnd } from "./scenario.ts";

export const job = (name: string, more: Partial<TrainingJobInput> = {}): TrainingJobInput => ({
  name,
  command: ["python3", "train.py"],
  epochs: 4,
  batchSize: 16,
  seed: 3,
  checkpoint: { every: "epoch", keep: 2, best: { metric: "loss", mode: "min" } },
  // What is waited for is drawn, and would not be the same twice.
  retry: { baseDelay: "0s" },
  ...more,
});

/** A job whose batch follows the noise of its gradients, which its trainer knows to the last bit. */
export const growing = (name: string, more: Partial<TrainingJobInput> = {}): TrainingJobInput =>
  job(name, {
    command: ["python3", "grow.py"],
    epochs: 6,
    batchSize: { policy: "noise-scale", start: 4, max: 64 },
    learningRate: { scaling: "adascale" },
    ...more,
  });

/** Attempt and epoch at whose beginning the trainer stands still. */
export const holding = (...places: readonly string[]): Partial<TrainingJobInput> => ({
  env: { HOLD: places.join(",") },
});

const succeeded: ExecutionEnd = { status: "SUCCEEDED" };

export const execute = (input: unknown, more: Partial<Omit<Execution, "do" | "input">> = {}): Execution => ({
  do: "execute",
  where: "stack",
  input: JSON.stringify(input),
  code: "not given",
  faults: [],
  ends: succeeded,
  ...more,
});

export const whole: RunEnd = {
  status: "finished",
  epoch: 4,
  generations: 1,
  failures: [],
  checkpoints: ["3-1", "4-1"],
  ending: "all 4 epochs",
};

/** How a growing job ends. */
export const grown: Partial<RunEnd> = {
  epoch: 6,
  checkpoints: ["5-1", "6-1"],
  ending: "all 6 epochs",
  growths: 2,
  examplesPerEpoch: 600,
};

/** The same with the code beside it. */
export const packed = (input: unknown, more: Partial<Omit<Execution, "do" | "input">> = {}): Execution =>
  execute(input, { code: "packed", ...more });

/** One run of job `name` that is started once. */
export const once = (
  name: string,
  input: unknown,
  { ends = {}, ...more }: { ends?: Partial<RunEnd> } & Partial<Omit<Execution, "do" | "input" | "ends">>,
  executionEnds: ExecutionEnd = succeeded,
): readonly Line[] => [
  {
    run: `${name}-1`,
    acts: [packed(input, { ...more, ends: executionEnds })],
    ends: { ...whole, ...ends },
  },
];

/** Something happens in the third epoch of the first attempt, which stands still there. */
export const inThird = (...make: readonly Fault[]): { faults: Execution["faults"] } => ({
  faults: [{ at: secondCommitted, make }],
});
const secondCommitted: Moment = { kind: "committed", epoch: 2 };
export const secondAttempt = ["3-2", "4-2"];

/** An execution that Open refuses: nothing is begun, and nobody can see that it ever was. */
export const refused = (name: string, input: unknown, ends: ExecutionEnd): readonly Line[] => [
  {
    run: `${name}-1`,
    acts: [execute(input, { ends })],
    ends: { epoch: 0, generations: 0, failures: [], checkpoints: [] },
  },
];

/** What `pawl validate` says of a job. */
export function wordsOfValidate(wrong: unknown): string {
  const given: unknown = JSON.parse(JSON.stringify(wrong));
  const checked = checkJob(given);
  if (!("problems" in checked)) throw new Error("the job is valid");
  return jobInvalid("the input's job", checked.problems).message;
}
