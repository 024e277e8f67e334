import type { Permissions } from "./policy-evaluator.ts";
import { account, arn } from "./policy-names.ts";

const bucketId = "StorageBucket";

const others: Readonly<Record<string, string>> = {
  anything: "*",
  "a job": arn("batch", "job/0f8a1c5e-3c7a-4a0e-9a53-6f0c4d1f6a10"),
  "a job of another account": "arn:aws:batch:eu-west-1:999999999999:job/0f8a1c5e-3c7a-4a0e-9a53-6f0c4d1f6a10",
  "an execution": arn("states", "execution:Pawl-Runs:digits-1"),
  "an execution of another machine": arn("states", "execution:Other:digits-1"),
  "state machine": arn("states", "stateMachine:Pawl-Runs"),
  "another state machine": arn("states", "stateMachine:Other"),
  "another queue": arn("batch", "job-queue/other"),
  "another definition": arn("batch", "job-definition/other"),
  "another topic": arn("sns", "other"),
  "another rule": arn("events", "rule/other"),
  "Step Functions' own rule": arn("events", "rule/StepFunctionsGetEventsForBatchJobsRule"),
  "another bucket/data.bin": "arn:aws:s3:::somebody-elses/data.bin",
};

/** The ARN of what a row of the table speaks of, for whom it speaks of. */
export function arnOf(thing: string, who: string, permissions: Permissions): string {
  const fixed = others[thing];
  if (fixed !== undefined) return fixed;
  const stream = (group: string) => `${permissions.names.arnOf(group).replace(/:\*$/, "")}:log-stream:one`;
  const [kind = "", ...rest] = thing.split(/[ /]/);
  const name = thing.slice(kind.length + 1);
  switch (kind) {
    case "bucket":
      return rest.length === 0
        ? permissions.names.arnOf(bucketId)
        : `${permissions.names.arnOf(bucketId)}/${name}`;
    case "function":
      return permissions.names.arnOf(`Functions${name}`);
    case "topic":
      return permissions.names.arnOf("NoticesTopic");
    case "queue":
      return arn("batch", `job-queue/Pawl-${name}`);
    case "definition":
      return arn("batch", `job-definition/Pawl-${name}`);
    case "rule":
      return permissions.names.arnOf("SweepingSchedule");
  }
  switch (thing) {
    case "its own log":
      return stream(`Functions${who}Logs`);
    case "another's log":
      return stream(`Functions${who === "Open" ? "Review" : "Open"}Logs`);
    case "the attempts' log":
      return stream("ComputeAttemptsLogs");
    case "the agent's archive":
      return agentArchive(permissions);
  }
  throw new RangeError(`not known: '${thing}' in account ${account.id}`);
}

/** Its name is the digest of what is in it, so it is looked up where an instance is allowed to fetch it. */
function agentArchive(permissions: Permissions): string {
  const assets = `arn:aws:s3:::cdk-hnb659fds-assets-${account.id}-${account.region}/`;
  const found = permissions
    .grantsOf("ComputeInstancesRole")
    .find(({ action, resource }) => action === "s3:GetObject" && resource.startsWith(assets));
  if (found === undefined || !/^[0-9a-f]{64}\.[a-z.]+$/.test(found.resource.slice(assets.length)))
    throw new RangeError("an instance may not fetch one file of the assets");
  return found.resource;
}
