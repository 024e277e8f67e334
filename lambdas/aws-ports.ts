import { Batch } from "../aws/batch.ts";
import { Executions } from "../aws/executions.ts";
import { Topics } from "../aws/topics.ts";
import { BatchJobs } from "./batch-jobs.ts";
import type { Deployment } from "./deployment.ts";
import { driverLiveness, ownExecutions } from "./driver-liveness.ts";
import type { Notice, Ports } from "./ports.ts";

/** The ports of a function that asks who drives a run, and what its Batch jobs do. */
export const withJobs = ({ ports, aws, environment }: Deployment): Ports => ({
  ...ports,
  liveness: driverLiveness(new Executions(aws), ports.store, ownExecutions(environment)),
  jobs: new BatchJobs(new Batch(aws), environment.name),
});

/** And of one that tells people, where the stack has a topic. */
export function withNotices(deployment: Deployment): Ports {
  const { topic } = deployment.environment;
  if (topic === undefined) return withJobs(deployment);
  const topics = new Topics(deployment.aws);
  return {
    ...withJobs(deployment),
    notify: ({ subject, words }: Notice) => topics.publish(topic, subject, words),
  };
}
