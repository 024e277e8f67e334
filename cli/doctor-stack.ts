import { CloudFormationClient, DescribeStacksCommand, type Stack } from "@aws-sdk/client-cloudformation";
import { GetBucketVersioningCommand, HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import { PawlError } from "../core/errors.ts";
import { Offers } from "../core/offers.ts";
import { type Offers as Offered, stackOutputs } from "../core/stack.ts";
import packageJson from "../package.json" with { type: "json" };
import { type Finding, ok, problem, unseen, warning } from "./doctor-finding.ts";
import { ask, askFor, type Looking } from "./doctor-looking.ts";
import { findStack } from "./stack.ts";

/** A stack as CloudFormation shows it. */
export interface StackSight {
  readonly stackName: string;
  readonly status: string;
  readonly reason: string | undefined;
  /** What its queues' names begin with. */
  readonly name: string;
  readonly version: string | undefined;
  readonly bucket: string | undefined;
  readonly offers: Offered | undefined;
}

/** `undefined` where there is no stack of this name. Errors: those of `Aws.run`. */
export async function lookAtStack(
  looking: { aws: Aws; signal: AbortSignal },
  stackName: string,
): Promise<StackSight | undefined> {
  // Without a name CloudFormation would give every stack.
  if (stackName === "") return undefined;
  const client = await looking.aws.client(async () => CloudFormationClient)();
  const answer = await askFor(looking, "cloudformation:DescribeStacks", ["ValidationError"], (options) =>
    client.send(new DescribeStacksCommand({ StackName: stackName }), options),
  );
  const stack = answer?.Stacks?.[0];
  return stack === undefined ? undefined : sightOf(stack, stackName);
}

function sightOf(stack: Stack, stackName: string): StackSight {
  const output = (key: string) => stack.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
  return {
    stackName,
    status: stack.StackStatus ?? "unknown",
    reason: stack.StackStatusReason,
    name: output(stackOutputs.name) ?? stackName,
    version: output(stackOutputs.version),
    bucket: output(stackOutputs.bucket),
    offers: offersOf(output(stackOutputs.offers)),
  };
}

function offersOf(text: string | undefined): Offered | undefined {
  try {
    return Offers.safeParse(JSON.parse(text ?? "")).data;
  } catch {
    return undefined;
  }
}

/** There, up, and of this version: as every command that works on a stack would have it. */
export async function stackThere(looking: Looking, stackName: string): Promise<readonly Finding[]> {
  const subject = `stack ${stackName}`;
  const stack = await looking.stack();
  try {
    await findStack(stackName, looking.aws);
  } catch (error) {
    if (!(error instanceof PawlError) || !error.code.startsWith("STACK_")) throw error;
    return [problem(subject, error.message, error.next ?? "Deploy it again.")];
  }
  const { status = "unknown", version = "unknown", reason } = stack ?? {};
  const own =
    version === packageJson.version
      ? ""
      : `; this command line is ${packageJson.version}, which goes with it`;
  const found = `${status}, Pawl ${version}${own}`;
  if (status.endsWith("_IN_PROGRESS"))
    return [
      warning(subject, `${found}; it is being changed`, "Wait until that is done before you trust the rest."),
    ];
  if (status.includes("ROLLBACK"))
    return [
      warning(
        subject,
        `${found}; the last deployment was taken back${reason === undefined ? "" : `: ${reason}`}`,
        "See its events in the console of CloudFormation, and deploy it again.",
      ),
    ];
  return [ok(subject, found)];
}

/** The bucket: reached, and keeping versions. Nothing is written to try whether that is allowed. */
export async function bucket(looking: Looking): Promise<readonly Finding[]> {
  const name = (await looking.stack())?.bucket;
  if (name === undefined) return [unseen("bucket", "there is no stack that names it")];
  const subject = `bucket ${name}`;
  const client = await looking.aws.client(async () => S3Client)();
  // As the store does: `bucket.localhost` is seldom a name.
  if (client.config.endpoint !== undefined || process.env.AWS_ENDPOINT_URL)
    client.config.forcePathStyle = true;
  try {
    await ask(looking, "s3:ListBucket", (options) =>
      client.send(new HeadBucketCommand({ Bucket: name }), options),
    );
  } catch (error) {
    if (isNamed(error, "NotFound", "NoSuchBucket"))
      return [problem(subject, "it is not there", "Deploy the stack again, or restore the bucket.")];
    if (error instanceof PawlError && error.code === "AWS_DENIED")
      return [
        problem(
          subject,
          "s3:ListBucket on it is not allowed, and runs cannot be seen without",
          `Let these credentials do s3:ListBucket and s3:GetObject on ${name}.`,
        ),
      ];
    throw error;
  }
  const { Status } = await ask(looking, "s3:GetBucketVersioning", (options) =>
    client.send(new GetBucketVersioningCommand({ Bucket: name }), options),
  );
  return [
    Status === "Enabled"
      ? ok(subject, "reached, keeps versions; whether it can be written is not tried")
      : warning(
          subject,
          "reached, and keeps no versions: what is deleted by mistake is gone",
          "Deploy the stack again; it turns versions on.",
        ),
  ];
}
