import * as z from "zod";
import { batchProblems } from "./batch-problems.ts";
import { Duration, Memory } from "./duration.ts";
import { Name } from "./names.ts";
import { BatchSizePolicy } from "./policies/batch-size/index.ts";
import { Size } from "./policies/batch-size/size.ts";
import { LearningRatePolicy } from "./policies/learning-rate.ts";
import { MarketPolicy } from "./policies/market.ts";
import { MemoryPolicy } from "./policies/memory.ts";
import { NumericPolicy } from "./policies/numeric.ts";
import { RetentionPolicy } from "./policies/retention.ts";
import { RetryPolicy } from "./policies/retry.ts";
import { StallPolicy } from "./policies/stall.ts";
import { StopPolicy } from "./policies/stop.ts";
import { defaultImage, imageNamePattern, imageNameRule } from "./stack.ts";
import { variableProblem } from "./trainer-variables.ts";

const Argument = z.string().refine((text) => !text.includes("\0"), { error: "must not hold a NUL" });

/** A folder inside the job file's folder. */
const InnerFolder = z
  .string()
  .min(1)
  .refine((path) => !path.startsWith("/") && !path.includes("\0") && !path.split("/").includes(".."), {
    error: "must be a path inside the job file's folder",
  });

const EnvironmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "must be letters, digits and '_', not beginning with a digit" })
  .refine((name) => !name.startsWith("PAWL_"), { error: "names that begin with PAWL_ are Pawl's own" });

/** What the job's Batch container is given. Acts only on AWS. */
const Compute = z.strictObject({
  gpus: z.int().min(0).max(16).default(1).describe("GPUs of the container."),
  vcpus: z.int().min(1).max(192).default(4).describe("Virtual CPUs of the container."),
  memory: Memory.prefault("14GiB").describe(
    "Memory of the container; less than the instance's, which keeps some.",
  ),
  market: MarketPolicy,
  startWithin: Duration.refine((seconds) => seconds >= 600 && seconds <= 7 * 86_400, {
    error: "must be from 10min to 7d",
  })
    .prefault("1h")
    .describe(
      "How long an attempt may wait for an instance before it is tried on the other market, or later.",
    ),
});

/** Fields that mean something to AWS only; training locally says so for each that a job gives. */
export const awsOnlyFields = ["compute", "image", "budgetUsd"] as const satisfies readonly (keyof z.input<
  typeof JobShape
>)[];

const JobShape = z.strictObject({
  name: Name.describe("The job's name; its runs are named after it."),
  command: z
    .array(Argument)
    .min(1, { error: "must name a program" })
    .refine((command) => command[0] !== "", { path: [0], error: "must name a program" })
    .describe("The training command: a program and its arguments, started without a shell."),
  epochs: z.int().min(1).max(999_999_999).describe("How many epochs a run trains, unless it stops earlier."),
  seed: z
    .int()
    .min(0)
    .max(4_294_967_295)
    .default(0)
    .describe("Seed of the run: the order of the data follows from it."),
  batchSize: BatchSizePolicy.optional().describe(
    "Examples in a step of the optimizer. Absent: the trainer's own affair; auto, where it tells gradient norms and takes its sizes from Pawl.",
  ),
  microBatchSize: z
    .union([z.literal("auto"), Size])
    .optional()
    .describe(
      "Examples that go through the model at once: at most so many, or auto, the most that fit. Absent: the whole batch, and less where memory runs out.",
    ),
  learningRate: LearningRatePolicy.prefault({}).describe("How the learning rate follows the batch size."),
  checkpoint: RetentionPolicy.prefault({}).describe(
    "Which checkpoints are kept; none: the trainer keeps nothing.",
  ),
  stop: StopPolicy.optional().describe("When to stop before the last epoch."),
  segment: z
    .union([z.literal("auto"), z.int().min(1)])
    .default("auto")
    .describe(
      "Epochs that one attempt trains before it gives its instance back; auto: as many as there are.",
    ),
  retry: RetryPolicy.prefault({}).describe("What happens after a failure."),
  memory: MemoryPolicy.prefault({}).describe(
    "What happens when memory runs out, of the GPU or of the container.",
  ),
  numeric: NumericPolicy.prefault({}).describe("What happens when a loss becomes NaN or infinite."),
  stall: StallPolicy.prefault({}).describe("When an attempt that gives no sign of life is ended."),
  compute: Compute.prefault({}).describe("What the container gets. Acts only on AWS."),
  image: z
    .string()
    .regex(imageNamePattern, { error: `must be ${imageNameRule}` })
    .default(defaultImage)
    .describe("The container's image, by its name in the stack. Acts only on AWS."),
  budgetUsd: z
    .number()
    .positive()
    .optional()
    .describe("What the run's instances may cost, in USD: it stops before they cost more. Acts only on AWS."),
  data: InnerFolder.optional().describe("A folder inside the job file's folder, given as PAWL_DATA_DIR."),
  env: z.record(EnvironmentName, Argument).default({}).describe("Environment of the trainer."),
});

/**
 * The job: what the user asks for. Short and long forms parse to the same thing. Stored as it was given
 * (`TrainingJobInput`) and parsed by whoever needs it.
 */
export const TrainingJob = JobShape.superRefine((job, context) => {
  job.command.forEach((argument, index) => {
    const problem = variableProblem(argument, {
      batchSize: job.batchSize !== undefined,
      dataDir: job.data !== undefined,
    });
    if (problem !== undefined)
      context.addIssue({ code: "custom", path: ["command", index], message: problem });
  });
  for (const problem of batchProblems(job)) context.addIssue({ code: "custom", ...problem });
});

export type TrainingJob = z.output<typeof TrainingJob>;
export type TrainingJobInput = z.input<typeof TrainingJob>;
