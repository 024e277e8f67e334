import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import type { TrainingJobInput } from "../../core/job.ts";
import { functionVariables } from "../../core/stack.ts";
import type { Bundle } from "./bundles.ts";

const execute = promisify(execFile);

/** What the bundles are told in Lambda, over `bucket`. */
export const lambdaEnvironment = (name: string, bucket: string): NodeJS.ProcessEnv => ({
  AWS_LAMBDA_FUNCTION_NAME: `Pawl-${name}`,
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "512",
  [functionVariables.store]: `s3://${bucket}`,
  [functionVariables.name]: "Pawl",
  [functionVariables.offers]: JSON.stringify({
    images: { default: "python:3.13-slim" },
    instanceTypes: ["g5"],
    maxVcpus: 256,
  }),
  [functionVariables.prices]: "{}",
  [functionVariables.topic]: "arn:aws:sns:us-east-1:000000000000:pawl",
});

/** Runs Node with this environment; gives what it said last on stderr, as JSON. */
export async function lastWords<Output>(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  schema: z.ZodType<Output>,
): Promise<Output> {
  const { stderr } = await execute(process.execPath, [...args], {
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return schema.parse(JSON.parse(stderr.trim().split("\n").at(-1) ?? ""));
}

const Start = z.object({
  initMs: z.number(),
  importMs: z.number(),
  initCpuMs: z.number(),
  firstMs: z.number().optional(),
});
export type Start = z.infer<typeof Start>;

const invoke = join(import.meta.dirname, "invoke.mjs");
const job: TrainingJobInput = { name: "started", command: ["true"], epochs: 3, segment: 1 };

/** What each function is asked first, the `time`-th time: a run is opened, and its attempt claimed. The others are only loaded. */
const payloads: Readonly<Record<string, (time: number) => object>> = {
  open: (time) => ({
    input: { job, run: `started-${time}` },
    driver: {
      id: `arn:aws:states:us-east-1:000000000000:execution:Pawl-Runs:${time}`,
      execution: `e-${time}`,
    },
  }),
  review: (time) => ({
    sequence: 1,
    event: { type: "started", run: `started-${time}`, attempt: 1, batchJobId: `job-${time}` },
  }),
};

/** Starts each function `times` times, each time in a fresh process. */
export async function coldStarts(
  bundles: readonly Bundle[],
  bucket: string,
  times: number,
): Promise<ReadonlyMap<string, readonly Start[]>> {
  const starts = new Map<string, Start[]>();
  for (const { name, file } of bundles) {
    const own: Start[] = [];
    // The first start reads the bundle from the disk, and is left out.
    for (let time = 0; time <= times; time += 1) {
      const payload = payloads[name]?.(time);
      const args = [invoke, file, ...(payload === undefined ? [] : [JSON.stringify(payload)])];
      const start = await lastWords(args, lambdaEnvironment(name, bucket), Start);
      if (time > 0) own.push(start);
    }
    starts.set(name, own);
  }
  return starts;
}
