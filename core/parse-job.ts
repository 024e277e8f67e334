import * as z from "zod";
import { PawlError } from "./errors.ts";
import { JobInput } from "./events.ts";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { type Problem, problems } from "./problems.ts";

/** A job that everything in this schema allows; editors offer it as a beginning. */
const example = {
  name: "digits",
  command: ["python3", "train.py", "--batch-size", "{batchSize}"],
  epochs: 10,
  batchSize: 32,
  checkpoint: { keep: 3, best: { metric: "accuracy", mode: "max" } },
} satisfies TrainingJobInput;

/** What stands for a field in the schema's examples, where its type does not say it all. */
const examples = {
  name: ["digits"],
  command: [["python3", "train.py"]],
  epochs: [10],
  seed: [1],
  batchSize: [
    32,
    "auto",
    { start: 32, max: 2048 },
    { policy: "goodput", start: 32, max: 2048, multipleOf: 8 },
  ],
  microBatchSize: ["auto", 8],
  learningRate: [{ scaling: "linear", referenceBatchSize: 32 }],
  checkpoint: [{ keep: 3, every: "auto", best: { metric: "accuracy", mode: "max" } }, "none"],
  stop: [{ metric: "accuracy", mode: "max", target: 0.99, patience: 5 }],
  segment: ["auto", 1],
  retry: [{ failuresWithoutProgress: 5, baseDelay: "1s", maxDelay: "5min" }],
  memory: [{ onOutOfMemory: "shrink", smallestMicroBatch: 4 }],
  numeric: [{ metrics: ["loss"], after: "roll-back", learningRateFactor: 0.5, times: 3 }],
  stall: [{ limit: "auto", start: "6h" }],
  compute: [{ gpus: 1, vcpus: 4, memory: "14GiB", market: "spot-first" }],
  image: ["default", "pytorch"],
  budgetUsd: [25],
  data: ["data"],
  env: [{ LOG_LEVEL: "info" }],
} satisfies { readonly [Field in keyof TrainingJobInput]: readonly TrainingJobInput[Field][] };

/**
 * The job's JSON Schema (draft 2020-12), as editors read it: what may be written, with defaulted fields optional. Rules
 * of several fields are not in it; `parseJob` knows them all.
 */
export function jobJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, properties = {}, ...rest } = z.toJSONSchema(TrainingJob, { io: "input" });
  const given: Readonly<Record<string, readonly unknown[]>> = examples;
  return {
    $schema,
    $id: "urn:pawl:job",
    title: "Pawl training job",
    description: "What 'pawl train' trains: read from YAML or JSON. Paths are relative to the file's folder.",
    ...rest,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, property]) => {
        const shown = given[name];
        const more = shown === undefined ? {} : { examples: shown };
        return [name, typeof property === "boolean" ? property : { ...property, ...more }];
      }),
    ),
    examples: [example],
  };
}

let schema: ReturnType<typeof jobJsonSchema> | undefined;

/** Made once: each problem looks into it. */
const knownSchema = (): ReturnType<typeof jobJsonSchema> => {
  schema ??= jobJsonSchema();
  return schema;
};

interface GoodJob {
  readonly job: TrainingJob;
  readonly input: TrainingJobInput;
}

/** A plateau of a metric, without a word on which way of it is better. */
const Undirected = z.object({
  batchSize: z.object({
    policy: z.literal("plateau"),
    metric: z.string(),
    mode: z.undefined().optional(),
  }),
});

/** Taken for `min`, an accuracy that rises would be a plateau. Journals may hold such jobs, so that `TrainingJob` reads them. */
const Directed = z.unknown().superRefine((input, context) => {
  const { success, data } = Undirected.safeParse(input);
  if (!success) return;
  const metric = JSON.stringify(data.batchSize.metric.slice(0, 100));
  context.addIssue({
    code: "custom",
    path: ["batchSize", "mode"],
    message: `is missing: give min or max, for whether less or more of ${metric} is better`,
  });
});

/** The job that `input` is, or all that is wrong with it. */
export function checkJob(input: unknown): GoodJob | { readonly problems: readonly Problem[] } {
  const parsed = TrainingJob.safeParse(input);
  const directed = Directed.safeParse(input);
  if (parsed.success && directed.success) return { job: parsed.data, input: JobInput.parse(input) };
  const found = parsed.success ? [] : problems(parsed.error, input, knownSchema);
  const unsaid = directed.success ? [] : problems(directed.error, input, knownSchema);
  return { problems: [...found, ...behind(found, input), ...unsaid] };
}

/** What a wrong field is taken for while the rules of several fields are looked at. */
const standIns: Readonly<Record<string, unknown>> = {
  name: "x",
  command: ["x"],
  epochs: 1,
  batchSize: 1,
  data: "x",
};

/**
 * Rules of several fields are looked at only when each field is right by itself: those among the fields that are, so
 * that a person is told everything at once.
 */
function behind(found: readonly Problem[], input: unknown): Problem[] {
  if (input === null || typeof input !== "object" || Array.isArray(input)) return [];
  const wrong = new Set(found.map(({ path }) => path[0]));
  const mended: Record<string, unknown> = Object.fromEntries(
    Object.entries(input).filter(([field]) => !wrong.has(field)),
  );
  for (const [field, value] of Object.entries(standIns)) if (wrong.has(field)) mended[field] = value;
  const parsed = TrainingJob.safeParse(mended);
  return parsed.success ? [] : problems(parsed.error, mended, knownSchema);
}

/** All that is wrong with a job, in one error; `where` names the job, `place` says where in it a problem is. */
export function jobInvalid(
  where: string,
  found: readonly Problem[],
  place: (problem: Problem) => string = () => "",
): PawlError {
  const lines = found.map((problem) => {
    const { field, message } = problem;
    return `${place(problem)}${field === "" ? `the job ${message}` : `${field} ${message}`}`;
  });
  return new PawlError("JOB_INVALID", `${where} is not a valid job:\n  ${lines.join("\n  ")}`, {
    next: "Correct what is named above and run the same command again.",
    details: { problems: found },
  });
}

/**
 * A job that was read from a file or an execution's input; `where` names it in the message. Throws JOB_INVALID, which
 * names each wrong field, its value and what is allowed.
 */
export function parseJob(input: unknown, where: string): GoodJob {
  const checked = checkJob(input);
  if ("problems" in checked) throw jobInvalid(where, checked.problems);
  return checked;
}
