import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { credentials, region } from "../servers/server-group.ts";
import { accountContent } from "./account.ts";
import { BatchControl } from "./batch-control.ts";
import { Stacks } from "./stacks.ts";

/** The emulated cloud, as tests use it. */
export interface EmulatedCloud {
  /** What a process needs in its environment so that an SDK in it speaks to this cloud. */
  readonly env: Readonly<Record<string, string>>;
  readonly endpoint: string;
  readonly batch: BatchControl;
  /** Synthesises the app and deploys it, as a new stack or over the one that is there. Gives the outputs. */
  deploy(stackName: string, context?: Readonly<Record<string, string>>): Promise<Record<string, string>>;
  /** Deletes a stack; its bucket stays. */
  destroy(stackName: string): Promise<void>;
  /** Removes a bucket with all that is in it, old versions too. */
  removeBucket(bucket: string): Promise<void>;
  /** Everything that there is in the account, sorted, for a comparison of before and after. */
  account(): Promise<string[]>;
}

function address(variable: string): string {
  const value = process.env[variable];
  if (value !== undefined) return value;
  throw new Error(`${variable} is not set: these tests are run by 'npm run test:localstack'`);
}

/** The cloud that `npm run test:localstack` has started. Throws where there is none. */
export function connectCloud(): EmulatedCloud {
  const endpoint = address("PAWL_TEST_LOCALSTACK");
  const env = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: region,
  };
  // For the clients of this process.
  Object.assign(process.env, env);
  const stacks = new Stacks(endpoint);
  return {
    env,
    endpoint,
    batch: new BatchControl(address("PAWL_TEST_BATCH")),
    deploy: (stackName, context = {}) => stacks.deploy(stackName, context),
    destroy: (stackName) => stacks.destroy(stackName),
    removeBucket: (bucket) => removeBucket(endpoint, bucket),
    account: () => accountContent(endpoint),
  };
}

async function removeBucket(endpoint: string, Bucket: string): Promise<void> {
  const s3 = new S3Client({ endpoint, region, forcePathStyle: true });
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    if (Objects.length === 0) break;
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
  }
  await s3.send(new DeleteBucketCommand({ Bucket }));
  s3.destroy();
}
