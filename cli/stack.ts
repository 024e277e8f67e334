import type { CloudFormationClient, Stack as Described } from "@aws-sdk/client-cloudformation";
import { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import { PawlError } from "../core/errors.ts";
import { Offers } from "../core/offers.ts";
import { type Offers as Offered, stackOutputs } from "../core/stack.ts";
import packageJson from "../package.json" with { type: "json" };
import { checkStackVersion } from "./stack-version.ts";

/** A deployed stack, as its outputs tell of it. */
export interface Stack {
  readonly stackName: string;
  readonly region: string;
  /** Where its runs live: `s3://bucket`. */
  readonly store: string;
  readonly version: string;
  /** What the names of its queues and job definitions begin with. */
  readonly name: string;
  /** ARNs, or what else AWS takes for them. */
  readonly stateMachine: string;
  readonly stop: string;
  readonly offers: Offered;
}

const load = () => import("../aws/sdk/cloudformation.ts");

/** Nobody waits long to hear that a name was mistyped. */
const patience = { totalMilliseconds: 8_000, firstWaitMilliseconds: 100, longestWaitMilliseconds: 2_000 };

const outputsOf = ({ Outputs = [] }: Described): ReadonlyMap<string, string> =>
  new Map(
    Outputs.flatMap(({ OutputKey, OutputValue }) =>
      OutputKey && OutputValue ? [[OutputKey, OutputValue]] : [],
    ),
  );

/** What every version of Pawl's stacks has had. */
const isPawl = (described: Described): boolean => {
  const outputs = outputsOf(described);
  return [stackOutputs.version, stackOutputs.bucket, stackOutputs.stateMachine].every((key) =>
    outputs.has(key),
  );
};

/**
 * The stack `name` in the region and account of the environment. Errors: STACK_NOT_FOUND, with the stacks that there
 * are; STACK_REFUSES for one that is none of Pawl's, or is not up; STACK_VERSION; AWS_CREDENTIALS, AWS_REGION, AWS_DENIED,
 * AWS_UNREACHABLE, AWS_FAILED.
 */
export async function findStack(name: string, aws: Aws = new Aws({ patience })): Promise<Stack> {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,127}$/.test(name)) {
    throw new PawlError("STACK_NOT_FOUND", `${JSON.stringify(name)} cannot be a stack's name`, {
      next: "Give --stack the name that the stack was deployed with: letters, digits and '-', beginning with a letter.",
      details: { stack: name },
    });
  }
  const client = aws.client(async () => (await load()).CloudFormationClient);
  const described = await describe(aws, client, name);
  const region = await regionOf(await client());
  if (described === undefined) throw await notFound(aws, client, { name, region });
  if (!isPawl(described)) {
    if (isBeingMade(described)) throw notUp(name, region, described);
    throw await noPawl(aws, client, { name, region });
  }
  const outputs = outputsOf(described);
  const version = outputs.get(stackOutputs.version) ?? "";
  checkStackVersion({ stack: name, region, version, own: packageJson.version });
  if (!isUp(described)) throw notUp(name, region, described);
  return read(name, region, outputs);
}

async function regionOf({ config }: CloudFormationClient): Promise<string> {
  return typeof config.region === "string" ? config.region : await config.region();
}

type Client = () => Promise<CloudFormationClient>;

async function describe(aws: Aws, client: Client, name: string): Promise<Described | undefined> {
  try {
    const about = { action: "cloudformation:DescribeStacks", resource: name };
    const answer = await aws.run(about, async () => {
      const { DescribeStacksCommand } = await load();
      return await (await client()).send(new DescribeStacksCommand({ StackName: name }));
    });
    return answer.Stacks?.[0];
  } catch (error) {
    if (isNamed(error, "ValidationError", "StackNotFoundException")) return undefined;
    throw error;
  }
}

/** All stacks of Pawl's in the region, in the order of their names. */
async function listPawl(aws: Aws, client: Client): Promise<string[]> {
  const names: string[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await aws.run({ action: "cloudformation:DescribeStacks" }, async () => {
      const { DescribeStacksCommand } = await load();
      return await (await client()).send(new DescribeStacksCommand({ NextToken }));
    });
    for (const described of answer.Stacks ?? []) {
      if (isPawl(described) && described.StackName !== undefined) names.push(described.StackName);
    }
    NextToken = answer.NextToken === "" ? undefined : answer.NextToken;
  } while (NextToken !== undefined);
  return names.sort();
}

interface Looked {
  readonly name: string;
  readonly region: string;
}

/** What stands there instead; nothing where that may not be seen. */
async function others(aws: Aws, client: Client): Promise<string[]> {
  return await listPawl(aws, client).catch(() => []);
}

const regionNext = "say another region with AWS_REGION, or another account with AWS_PROFILE.";

async function notFound(aws: Aws, client: Client, { name, region }: Looked): Promise<PawlError> {
  const there = await others(aws, client);
  const known =
    there.length === 0 ? "no stack of Pawl's is to be seen there" : `of Pawl's there is ${there.join(", ")}`;
  return new PawlError("STACK_NOT_FOUND", `there is no stack ${name} in the region ${region}: ${known}`, {
    next:
      there.length === 0
        ? `Deploy one with 'npx cdk deploy', or ${regionNext}`
        : `Name one of these, or ${regionNext}`,
    details: { stack: name, region, stacks: there },
  });
}

async function noPawl(aws: Aws, client: Client, { name, region }: Looked): Promise<PawlError> {
  const there = await others(aws, client);
  const known = there.length === 0 ? "" : `; of Pawl's there is ${there.join(", ")}`;
  return new PawlError("STACK_REFUSES", `the stack ${name} in ${region} is none of Pawl's${known}`, {
    next: `Name a stack that was deployed with Pawl, or ${regionNext}`,
    details: { stack: name, region, stacks: there },
  });
}

/** One that is changed goes on working meanwhile, and one whose change was taken back works as before. */
const isUp = ({ StackStatus }: Described): boolean =>
  /^(CREATE_COMPLETE$|UPDATE_|IMPORT_)/.test(StackStatus ?? "");

const isBeingMade = ({ StackStatus }: Described): boolean =>
  /^(CREATE_IN_PROGRESS|CREATE_FAILED|REVIEW_IN_PROGRESS|ROLLBACK_.*|DELETE_.*)$/.test(StackStatus ?? "");

const notUpNext: readonly (readonly [RegExp, string])[] = [
  [/^CREATE_IN_PROGRESS$/, "Wait until it is deployed, then run the same command again."],
  [/^REVIEW_IN_PROGRESS$/, "It was never deployed to its end: run 'npx cdk deploy'."],
  [/^DELETE_/, "It is being deleted: deploy it again with 'npx cdk deploy'."],
];

function notUp(stack: string, region: string, { StackStatus, StackStatusReason }: Described): PawlError {
  const status: string = StackStatus ?? "unknown";
  const why = StackStatusReason === undefined ? "" : `: ${StackStatusReason.slice(0, 300)}`;
  const next =
    notUpNext.find(([pattern]) => pattern.test(status))?.[1] ??
    "See what failed (its events, in the console of CloudFormation), delete it, and deploy it again with 'npx cdk deploy'.";
  return new PawlError("STACK_REFUSES", `the stack ${stack} in ${region} is not up: ${status}${why}`, {
    next,
    details: { stack, region, status },
  });
}

function read(stackName: string, region: string, outputs: ReadonlyMap<string, string>): Stack {
  const value = (key: keyof typeof stackOutputs): string => {
    const found = outputs.get(stackOutputs[key]);
    if (found !== undefined) return found;
    throw new PawlError(
      "STACK_REFUSES",
      `the stack ${stackName} in ${region} lacks the output ${stackOutputs[key]}`,
      {
        next: "Deploy it again with 'npx cdk deploy'.",
        details: { stack: stackName, region, output: stackOutputs[key] },
      },
    );
  };
  let offers: Offered;
  const text = value("offers");
  try {
    offers = Offers.parse(JSON.parse(text));
  } catch (cause) {
    throw new PawlError(
      "STACK_REFUSES",
      `the output ${stackOutputs.offers} of the stack ${stackName} cannot be read`,
      {
        next: "Deploy it again with 'npx cdk deploy'.",
        details: { stack: stackName, region, output: stackOutputs.offers },
        cause,
      },
    );
  }
  return {
    stackName,
    region,
    store: `s3://${value("bucket")}`,
    version: value("version"),
    name: value("name"),
    stateMachine: value("stateMachine"),
    stop: value("stop"),
    offers,
  };
}
