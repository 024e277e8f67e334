import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { Aws } from "../aws/aws.ts";
import { PawlError } from "../core/errors.ts";
import { type Finding, ok, problem, warning } from "./doctor-finding.ts";
import { ask, askFor, type Looking } from "./doctor-looking.ts";

/** The region of the environment or the profile. Asks nobody. Errors: AWS_REGION. */
export async function regionOf(aws: Aws): Promise<string> {
  const client = aws.client(async () => STSClient);
  return await aws.run(
    { action: "sts:GetCallerIdentity" },
    async () => await (await client()).config.region(),
  );
}

export function regionFinding(region: string): Finding {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if (endpoint === undefined || endpoint === "") return ok("region", region);
  return ok("region", `${region}, at ${endpoint} (AWS_ENDPOINT_URL)`);
}

/** Who asks. */
export async function credentials(looking: Looking): Promise<readonly Finding[]> {
  const subject = "credentials";
  const client = await looking.aws.client(async () => STSClient)();
  try {
    const { Arn, Account } = await ask(looking, "sts:GetCallerIdentity", (options) =>
      client.send(new GetCallerIdentityCommand({}), options),
    );
    return [ok(subject, `${Arn ?? "somebody"}, account ${Account ?? "unknown"}`)];
  } catch (error) {
    // It needs no permission: where it fails, so does all else.
    if (!(error instanceof PawlError)) throw error;
    return [problem(subject, error.message, error.next ?? "Log in.")];
  }
}

/** What CDK's templates ask of the bootstrap stack at least. */
const leastBootstrap = 6;

/** Whether `cdk deploy` finds where to put its files; by the stack, so that no permission for SSM is needed. */
export async function bootstrap(looking: Looking): Promise<readonly Finding[]> {
  const subject = "CDK bootstrap";
  const once = `Run 'npx cdk bootstrap' for this account and ${looking.region}; only deploying needs it.`;
  const client = await looking.aws.client(async () => CloudFormationClient)();
  // CloudFormation answers with a ValidationError for a stack that is not there.
  const answer = await askFor(looking, "cloudformation:DescribeStacks", ["ValidationError"], (options) =>
    client.send(new DescribeStacksCommand({ StackName: "CDKToolkit" }), options),
  );
  const toolkit = answer?.Stacks?.[0];
  if (toolkit === undefined)
    return [warning(subject, "there is no stack CDKToolkit, where 'cdk deploy' puts its files", once)];
  const status = toolkit.StackStatus ?? "unknown";
  if (!status.endsWith("_COMPLETE") || /^(DELETE|ROLLBACK)/.test(status))
    return [problem(subject, `the stack CDKToolkit is ${status}`, once)];
  const output = toolkit.Outputs?.find(({ OutputKey }) => OutputKey === "BootstrapVersion")?.OutputValue;
  const version = Number.parseInt(output ?? "", 10);
  if (Number.isNaN(version)) return [warning(subject, "the stack CDKToolkit does not say its version", once)];
  if (version < leastBootstrap)
    return [problem(subject, `version ${version}, and ${leastBootstrap} or later is needed`, once)];
  return [ok(subject, `version ${version}`)];
}
