import {
  BatchClient,
  type ComputeEnvironmentDetail,
  DescribeComputeEnvironmentsCommand,
  DescribeJobQueuesCommand,
  type JobQueueDetail,
} from "@aws-sdk/client-batch";
import { markets } from "../core/market.ts";
import { queueName } from "../core/stack.ts";
import { type Finding, ok, problem, unseen, warning } from "./doctor-finding.ts";
import { ask, type Looking } from "./doctor-looking.ts";

/** A queue of the stack, and what its jobs run on. */
interface QueueSight {
  readonly name: string;
  /** `undefined` where it is not there. */
  readonly queue: JobQueueDetail | undefined;
  readonly environments: readonly ComputeEnvironmentDetail[];
}

/** The stack's queues; `undefined` where there is no stack. Errors: those of `Aws.run`. */
export async function lookAtQueues(looking: Looking): Promise<readonly QueueSight[] | undefined> {
  const stack = await looking.stack();
  if (stack === undefined) return undefined;
  const client = await looking.aws.client(async () => BatchClient)();
  const names = markets.map((market) => queueName(stack.name, market));
  const { jobQueues = [] } = await ask(looking, "batch:DescribeJobQueues", (options) =>
    client.send(new DescribeJobQueuesCommand({ jobQueues: names }), options),
  );
  const arnsOf = ({ computeEnvironmentOrder = [] }: JobQueueDetail) =>
    computeEnvironmentOrder.flatMap(({ computeEnvironment }) => computeEnvironment ?? []);
  const arns = jobQueues.flatMap(arnsOf);
  const { computeEnvironments = [] } =
    arns.length === 0
      ? {}
      : await ask(looking, "batch:DescribeComputeEnvironments", (options) =>
          client.send(new DescribeComputeEnvironmentsCommand({ computeEnvironments: arns }), options),
        );
  return names.map((name) => {
    const queue = jobQueues.find(({ jobQueueName }) => jobQueueName === name);
    const behind = queue === undefined ? [] : arnsOf(queue);
    return {
      name,
      queue,
      environments: computeEnvironments.filter(({ computeEnvironmentArn = "" }) =>
        behind.includes(computeEnvironmentArn),
      ),
    };
  });
}

/** Whether jobs can start: each queue and what is behind it. */
export async function queues(looking: Looking): Promise<readonly Finding[]> {
  const sights = await lookAtQueues(looking);
  if (sights === undefined) return [unseen("queues", "there is no stack that names them")];
  return sights.flatMap(({ name, queue, environments }): Finding[] => {
    const subject = `queue ${name}`;
    if (queue === undefined) return [problem(subject, "it is not there", "Deploy the stack again.")];
    return [partFinding(subject, queue), ...environments.map(environmentFinding)];
  });
}

interface BatchPart {
  readonly state?: string | undefined;
  readonly status?: string | undefined;
  readonly statusReason?: string | undefined;
}

const environmentFinding = (
  environment: BatchPart & { computeEnvironmentName?: string | undefined },
): Finding =>
  partFinding(`compute environment ${environment.computeEnvironmentName ?? ""}`.trimEnd(), environment);

function partFinding(subject: string, { state, status, statusReason }: BatchPart): Finding {
  const found = `${state ?? "unknown"}, ${status ?? "unknown"}`;
  const because = statusReason === undefined || statusReason === "" ? "" : `: ${statusReason}`;
  if (status === "INVALID" || status === "DELETING" || status === "DELETED")
    return problem(
      subject,
      `${found}${because}`,
      "Put right what is named, and deploy the stack again: no job starts here.",
    );
  if (state !== "ENABLED")
    return problem(
      subject,
      `${found}: nothing new starts here`,
      "Enable it in AWS Batch, or deploy the stack again.",
    );
  return status === "VALID"
    ? ok(subject, found)
    : warning(subject, `${found}${because}`, "Wait until it is VALID.");
}
