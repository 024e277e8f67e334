import { setTimeout as sleep } from "node:timers/promises";
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

/** And of Sweep, which may wait for what it ends, and tells people where the stack has a topic. */
export function forSweep(deployment: Deployment): Ports {
  const { topic } = deployment.environment;
  const patient: Ports = { ...withJobs(deployment), pause: (milliseconds) => sleep(milliseconds) };
  if (topic === undefined) return patient;
  const topics = new Topics(deployment.aws);
  return {
    ...patient,
    notify: ({ subject, words }: Notice) => topics.publish(topic, subject, words),
  };
}
