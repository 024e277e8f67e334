import * as z from "zod";
import { type Json, overTheWire, StateError, TerminalError } from "./interpreter-limits.ts";

/**
 * Runs a task on this machine. What it is given and what it answers, by the task's resource:
 * `lambda:invoke` the payload, and what the function returns;
 * `batch:submitJob.sync` the parameters of SubmitJob, and the job's detail when it has succeeded (`JobId`, `Status`, …);
 * `states:startExecution` the parameters of StartExecution, with `Input` as a value, and `ExecutionArn`.
 */
export type TaskHandler = (input: unknown) => Promise<unknown>;

const SubmitJob = z.strictObject({
  JobName: z.string(),
  JobQueue: z.string(),
  JobDefinition: z.string(),
  ContainerOverrides: z.strictObject({
    Environment: z.array(z.strictObject({ Name: z.string(), Value: z.string() })),
    ResourceRequirements: z.array(z.strictObject({ Type: z.string(), Value: z.string() })),
  }),
});
type SubmitJob = z.infer<typeof SubmitJob>;

const StartExecution = z.strictObject({
  StateMachineArn: z.string(),
  Name: z.string(),
  Input: z.unknown(),
});
type StartExecution = z.infer<typeof StartExecution>;

const InvokeFunction = z.strictObject({ FunctionName: z.string(), Payload: z.unknown() });

interface Integration {
  readonly parameters: z.ZodType;
  /** Refuses what the service refuses, as it does. */
  readonly refuse?: (parameters: unknown) => StateError | undefined;
  readonly call: (parameters: unknown, handler: TaskHandler) => Promise<unknown>;
}

const integrations: Readonly<Record<string, Integration>> = {
  "lambda:invoke": {
    parameters: InvokeFunction,
    call: async (parameters, handler) => {
      const { Payload } = InvokeFunction.parse(parameters);
      let answer: unknown;
      try {
        answer = await handler(Payload);
      } catch (error) {
        throw error instanceof StateError ? error : functionError(error);
      }
      return { ExecutedVersion: "$LATEST", Payload: answer ?? null, StatusCode: 200 };
    },
  },
  "batch:submitJob.sync": {
    parameters: SubmitJob,
    refuse: (parameters) => refusedJob(SubmitJob.parse(parameters)),
    call: async (parameters, handler) => await handler(parameters),
  },
  "states:startExecution": {
    parameters: StartExecution,
    refuse: (parameters) => refusedExecution(StartExecution.parse(parameters)),
    call: async (parameters, handler) => await handler(parameters),
  },
};

/**
 * Calls `handler` as Step Functions would call the service behind `resource`.
 *
 * @throws StateError for what Retry and Catch may see; TerminalError for what they may not.
 */
export async function callTask(
  state: string,
  resource: string,
  given: unknown,
  handler: TaskHandler,
): Promise<Json> {
  const integration = integrations[resource.split(":::")[1] ?? ""];
  if (integration === undefined) throw new TypeError(`no integration for ${resource}`);
  const parameters = overTheWire(given, `What state '${state}' gives to its task`);
  const checked = integration.parameters.safeParse(parameters);
  if (!checked.success) {
    const cause =
      `An error occurred while executing the state '${state}'. The Parameters '${JSON.stringify(parameters)}' ` +
      `could not be used to start the Task: [${z.prettifyError(checked.error)}]`;
    throw new TerminalError("States.Runtime", cause);
  }
  const refused = integration.refuse?.(parameters);
  if (refused !== undefined) throw refused;
  const result = await integration.call(parameters, handler).catch((error: unknown) => {
    throw error instanceof StateError ? error : unexpected(error);
  });
  return overTheWire(result, `The result of state '${state}'`);
}

/** An exception that a function did not catch, as Lambda words it. */
function functionError(error: unknown): StateError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const trace = (stack ?? "").split("\n");
  return new StateError(name, JSON.stringify({ errorType: name, errorMessage: message, trace }));
}

/** A mistake of our own on this machine; AWS has no word for it. */
const unexpected = (error: unknown): StateError =>
  new StateError("Pawl.Internal", error instanceof Error ? (error.stack ?? error.message) : String(error));

const batchRefusal = (message: string): StateError =>
  new StateError(
    "Batch.ClientException",
    `Error executing request, Exception : ${message} (Service: AWSBatch; Status Code: 400; Error Code: ClientException)`,
  );

/** Characters of container overrides that ECS takes; Batch accepts more, and the job then fails without an attempt. */
const maxOverridesLength = 8192;
const jobNamePattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

function refusedJob({ JobName, JobQueue, ContainerOverrides }: SubmitJob): StateError | undefined {
  if (!jobNamePattern.test(JobName)) {
    return batchRefusal(
      `Job name should match valid pattern: up to 128 letters, digits, '-' and '_', beginning with a letter or digit; it is '${JobName}'`,
    );
  }
  const types = new Set<string>();
  for (const { Type, Value } of ContainerOverrides.ResourceRequirements) {
    if (!["GPU", "VCPU", "MEMORY"].includes(Type)) return batchRefusal(`'${Type}' is no resource type`);
    if (!/^[1-9]\d*$/.test(Value))
      return batchRefusal(`${Type} must be a whole number above 0, not '${Value}'`);
    if (types.has(Type)) return batchRefusal(`${Type} is given twice`);
    types.add(Type);
  }
  const reserved = ContainerOverrides.Environment.find(({ Name }) => Name.startsWith("AWS_BATCH"));
  if (reserved !== undefined) return batchRefusal(`the environment variable ${reserved.Name} is reserved`);
  if (JSON.stringify(ContainerOverrides).length > maxOverridesLength) {
    const StatusReason = `Container Overrides length must be at most ${maxOverridesLength}`;
    const detail = { JobName, JobQueue, Status: "FAILED", StatusReason, Attempts: [] };
    return new StateError("States.TaskFailed", JSON.stringify(detail));
  }
  return undefined;
}

const executionNamePattern = /^[A-Za-z0-9_-]{1,80}$/;

const refusedExecution = ({ Name }: StartExecution): StateError | undefined =>
  executionNamePattern.test(Name)
    ? undefined
    : new StateError("StepFunctions.InvalidNameException", `Invalid Name: '${Name}'`);
