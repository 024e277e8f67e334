import { type BadInput, jobText, type Scene } from "./case.ts";
import { serveErrors } from "./s3-errors-server.ts";

const secret = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";
const token = "FwoGZXIvYXdzEXAMPLETOKEN0123456789";
const keyId = "AKIAIOSFODNN7EXAMPLE";

export const credentials = {
  AWS_ACCESS_KEY_ID: keyId,
  AWS_SECRET_ACCESS_KEY: secret,
  AWS_SESSION_TOKEN: token,
  AWS_REGION: "eu-central-1",
};

/** A server of S3's documented errors for the time of one case. */
export const withServer = async ({ env }: Scene): Promise<AsyncDisposable> => {
  const server = await serveErrors();
  env.AWS_ENDPOINT_URL = server.url;
  return server;
};

const address = (what: string, store: string, says: readonly string[]): BadInput => ({
  what: `a store at ${what}`,
  args: ["train", "--store", store],
  code: "STORE_ADDRESS",
  says,
});

const answered = (bucket: string, what: string, more: Pick<BadInput, "code" | "says">): BadInput => ({
  what,
  args: ["train", "--store", `s3://${bucket}/runs`],
  env: credentials,
  prepare: withServer,
  secrets: [secret, token],
  ...more,
  says: [bucket, ...more.says],
});

export const s3Stores: readonly BadInput[] = [
  address("s3:// alone", "s3://", ["s3://", "names no bucket"]),
  address("s3:bucket", "s3:bucket", ["s3:bucket", "does not begin with s3://"]),
  address("s3://UPPER", "s3://UPPER", ["s3://UPPER", "small letters"]),
  address("s3://a_b", "s3://a_b/runs", ["s3://a_b", "small letters"]),
  address("s3://10.0.0.1", "s3://10.0.0.1/runs", ["10.0.0.1", "IP address"]),
  address("s3://bucket//runs", "s3://bucket//runs", ["s3://bucket//runs", "empty segment"]),
  address("s3://bucket/../runs", "s3://bucket/../runs", ["'..'"]),
  address("s3://bucket?region=x", "s3://bucket/runs?region=x", ["takes no options"]),
  {
    what: "a store whose address holds credentials",
    args: ["train", "--store", `s3://${keyId}:${secret}@bucket/runs`],
    code: "STORE_ADDRESS",
    says: ["'@'", "credentials come from the environment"],
    secrets: [secret],
  },
  {
    what: "no credentials",
    args: ["train", "--store", "s3://pawl-bucket/runs"],
    code: "STORE_CREDENTIALS",
    says: ["s3://pawl-bucket/runs", "there are no credentials", "AWS_PROFILE"],
  },
  {
    what: "a profile that is not there",
    args: ["train", "--store", "s3://pawl-bucket/runs"],
    env: { AWS_PROFILE: "nobodys" },
    code: "STORE_CREDENTIALS",
    says: ["s3://pawl-bucket/runs"],
  },
  {
    what: "an endpoint that nobody listens at",
    args: ["train", "--store", "s3://pawl-bucket/runs"],
    env: { ...credentials, AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
    code: "STORE_UNREACHABLE",
    says: ["http://127.0.0.1:1", "nothing answers there", "AWS_ENDPOINT_URL"],
    secrets: [secret, token],
  },
  {
    what: "an endpoint that is no host",
    args: ["runs", "--store", "s3://pawl-bucket/runs"],
    env: { ...credentials, AWS_ENDPOINT_URL: "http://no-such-host.invalid" },
    code: "STORE_UNREACHABLE",
    says: ["no-such-host.invalid"],
    secrets: [secret, token],
  },
  answered("unknown-key", "credentials that S3 does not know", {
    code: "STORE_CREDENTIALS",
    says: ["not valid"],
  }),
  answered("wrong-secret", "a wrong secret", { code: "STORE_CREDENTIALS", says: ["not valid"] }),
  answered("expired", "credentials that have expired", { code: "STORE_CREDENTIALS", says: ["expired"] }),
  answered("no-such-bucket", "a bucket that is not there", {
    code: "STORE_NOT_FOUND",
    says: ["there is no bucket"],
  }),
  answered("elsewhere", "a bucket in another region", {
    code: "STORE_NOT_FOUND",
    says: ["us-west-2", "AWS_REGION"],
  }),
  answered("denied", "a bucket that is not allowed", { code: "STORE_DENIED", says: ["not allowed"] }),
  {
    ...answered("denied", "runs of a bucket that is not allowed", {
      code: "STORE_DENIED",
      says: ["not allowed"],
    }),
    args: ["runs", "--store", "s3://denied/runs"],
  },
  {
    ...answered("no-such-bucket", "a run in a bucket that is not there", {
      code: "RUN_NOT_FOUND",
      says: ["count-1", "no bucket"],
    }),
    args: ["show", "count-1", "--store", "s3://no-such-bucket/runs"],
  },
  {
    ...answered("denied", "a wrong job file for a bucket that is not allowed", {
      code: "JOB_INVALID",
      says: [],
    }),
    files: { "pawl.yaml": jobText({ epochs: "0" }) },
    says: ["epochs must be at least 1"],
  },
];
