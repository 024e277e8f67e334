import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { outputs, StandInAws, type StandInStack } from "../../cli/testing/stand-in-aws.ts";
import { type BadInput, jobText, type Scene } from "./case.ts";

const args = ["start", "--stack", "Pawl", "--yes"];

/** AWS as the command line asks it, with the stack Pawl in it unless others are given. */
const withAws =
  (
    more: {
      readonly stacks?: readonly StandInStack[];
      readonly refuses?: StandInAws["refuses"];
      readonly readOnly?: true;
      readonly besides?: (scene: Scene) => Promise<void>;
    } = {},
  ) =>
  async (scene: Scene): Promise<AsyncDisposable> => {
    const aws = await StandInAws.start();
    aws.stacks.push(...(more.stacks ?? [{ name: "Pawl", outputs: outputs() }]));
    aws.refuses = more.refuses;
    aws.bucket.isReadOnly = more.readOnly === true;
    for (const [name, value] of Object.entries(aws.env)) if (!(name in scene.env)) scene.env[name] = value;
    await more.besides?.(scene);
    return aws;
  };

const stack = (
  what: string,
  stacks: readonly StandInStack[],
  more: Pick<BadInput, "code" | "says">,
): BadInput => ({
  what,
  args: ["runs", "--stack", "Pawl"],
  prepare: withAws({ stacks }),
  ...more,
});

const denied = (what: string, error: string, more: Pick<BadInput, "code" | "says">): BadInput => ({
  what,
  args: ["runs", "--stack", "Pawl"],
  prepare: withAws({ refuses: { action: "DescribeStacks", error, status: 403 } }),
  ...more,
});

const job = (
  what: string,
  more: Readonly<Record<string, string>>,
  rest: Pick<BadInput, "code" | "says"> & Partial<BadInput>,
): BadInput => ({
  what,
  args,
  prepare: withAws(),
  ...rest,
  files: { "pawl.yaml": jobText(more), "train.sh": "true\n", ...rest.files },
});

export const stacks: readonly BadInput[] = [
  {
    what: "two places, a stack and a store",
    args: ["runs", "--stack", "Pawl", "--store", "x"],
    code: "USAGE",
    says: ["--stack", "--store", "two places"],
  },
  {
    what: "two places in the environment",
    args: ["runs"],
    env: { PAWL_STACK: "Pawl", PAWL_STORE: "x" },
    code: "USAGE",
    says: ["PAWL_STACK", "PAWL_STORE"],
  },
  {
    what: "training here on a stack",
    args: ["train", "--stack", "Pawl"],
    code: "USAGE",
    says: ["--stack", "pawl start"],
  },
  { what: "a start without a stack", args: ["start"], start: "job", code: "USAGE", says: ["--stack NAME"] },
  {
    what: "a start that nobody can be asked about",
    args: ["start", "--stack", "Pawl"],
    start: "job",
    prepare: withAws(),
    begun: "it shows the plan",
    code: "USAGE",
    says: ["nothing was started", "--yes"],
  },
  {
    what: "a stack's name that cannot be one",
    args: ["runs", "--stack", "my stack"],
    code: "STACK_NOT_FOUND",
    says: ["my stack", "cannot be a stack's name"],
  },
  {
    what: "a stack without credentials",
    args: ["runs", "--stack", "Pawl"],
    env: { AWS_REGION: "eu-west-1" },
    code: "AWS_CREDENTIALS",
    says: ["there are no credentials", "AWS_PROFILE"],
  },
  {
    what: "a stack without a region",
    args: ["runs", "--stack", "Pawl"],
    env: { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" },
    code: "AWS_REGION",
    says: ["no region is set", "AWS_REGION"],
  },
  {
    what: "a stack in a region that is none",
    args: ["runs", "--stack", "Pawl"],
    env: { AWS_REGION: "Frankfurt" },
    prepare: withAws(),
    code: "AWS_REGION",
    says: ["Frankfurt"],
  },
  {
    what: "a stack at an endpoint that nobody listens at",
    args: ["runs", "--stack", "Pawl"],
    env: { AWS_ENDPOINT_URL: "http://127.0.0.1:9" },
    prepare: withAws(),
    code: "AWS_UNREACHABLE",
    says: ["http://127.0.0.1:9", "nothing answers there"],
    modes: ["words"],
  },
  denied("a stack that may not be looked at", "AccessDenied", {
    code: "AWS_DENIED",
    says: ["cloudformation:DescribeStacks", "Pawl"],
  }),
  denied("a stack with credentials that have expired", "ExpiredToken", {
    code: "AWS_CREDENTIALS",
    says: ["expired"],
  }),
  stack("a stack that is not there", [{ name: "Paul", outputs: outputs() }], {
    code: "STACK_NOT_FOUND",
    says: ["no stack Pawl in the region eu-west-1", "there is Paul", "AWS_REGION"],
  }),
  stack("a stack that is none of Pawl's", [{ name: "Pawl", outputs: { Url: "https://example.org" } }], {
    code: "STACK_REFUSES",
    says: ["Pawl", "none of Pawl's"],
  }),
  stack("a stack that is being made", [{ name: "Pawl", status: "CREATE_IN_PROGRESS", outputs: {} }], {
    code: "STACK_REFUSES",
    says: ["CREATE_IN_PROGRESS", "Wait"],
  }),
  stack("a stack that failed", [{ name: "Pawl", status: "ROLLBACK_COMPLETE", outputs: {} }], {
    code: "STACK_REFUSES",
    says: ["ROLLBACK_COMPLETE", "npx cdk deploy"],
  }),
  stack("a stack of an older version", [{ name: "Pawl", outputs: outputs({ Version: "0.0.9" }) }], {
    code: "STACK_VERSION",
    says: ["0.0.9", "older", "npx cdk deploy"],
  }),
  stack("a stack of a newer version", [{ name: "Pawl", outputs: outputs({ Version: "99.0.0" }) }], {
    code: "STACK_VERSION",
    says: ["99.0.0", "newer", "npm install"],
  }),
  job(
    "an image that the stack has not",
    { image: "torch" },
    {
      code: "STACK_REFUSES",
      says: ["image must be one of default", "torch"],
    },
  ),
  job(
    "more GPUs than any instance of the stack",
    { compute: "{gpus: 16}" },
    {
      code: "STACK_REFUSES",
      says: ["compute.gpus must be at most 8", "16"],
    },
  ),
  job(
    "a job larger than an execution takes",
    { env: `{LONG: ${"x".repeat(270_000)}}` },
    {
      code: "INPUT_TOO_LARGE",
      says: ["262144"],
    },
  ),
  job(
    "a folder here to begin from, on a stack",
    { checkpoint: "{from: ./model}" },
    {
      code: "JOB_INVALID",
      says: ["checkpoint.from", "./model", "s3://"],
      files: { "model/weights": "x" },
    },
  ),
  job(
    "data that is left out of the code",
    { data: "data" },
    {
      code: "JOB_INVALID",
      says: ["data", "left out of the code", ".pawlignore"],
      files: { "data/x.csv": "1", ".pawlignore": "data/\n" },
    },
  ),
  job(
    "code with a link out of the folder",
    {},
    {
      code: "CODE_INVALID",
      says: ["passwords", "/etc/passwd", ".pawlignore"],
      prepare: withAws({ besides: ({ folder }) => symlink("/etc/passwd", join(folder, "passwords")) }),
    },
  ),
  job(
    "a bucket that may not be written",
    {},
    {
      code: "STORE_DENIED",
      says: ["pawl-bucket", "code/"],
      prepare: withAws({ readOnly: true }),
      begun: "it shows the plan",
    },
  ),
];
