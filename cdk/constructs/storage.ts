import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { codePrefix, journalPrefix } from "../../core/keys.ts";
import { acknowledge } from "./acknowledge.ts";

/** The kinds of keys in the bucket, by which its users are told apart. */
export const keyPrefixes = {
  journal: journalPrefix,
  checkpoints: "checkpoints/",
  attempts: "attempts/",
  code: codePrefix,
} as const;

/** A replaced or removed version can be brought back for so long, and is paid for. */
const daysOfOldVersions = 30;

export interface StorageOptions {
  /** Whether the bucket stays when the stack is deleted; else it goes with all runs in it. Default: true. */
  readonly keepRuns?: boolean;
  /**
   * The name of a bucket that an earlier stack left, to be taken up again with its runs. Its policy is put again; its
   * encryption, versions and lifecycle stay as they are, and so does the bucket, always. Default: a new bucket.
   */
  readonly bucketName?: string;
}

/**
 * Where runs live: one private bucket. It stays when the stack is deleted, since it holds the trained models; its policy
 * goes, so that a later stack can put its own.
 */
export class Storage extends Construct {
  readonly bucket: s3.IBucket;

  constructor(scope: Construct, id: string, props: StorageOptions = {}) {
    super(scope, id);
    const bucketId = "Bucket";
    if (props.bucketName === undefined) {
      const bucket = newBucket(this, bucketId, props.keepRuns ?? true);
      acknowledge(
        bucket,
        "S1",
        "The journal says who decided what. A log of every request would be a second bucket, paid for by the request.",
      );
      for (const statement of protections(bucket)) bucket.addToResourcePolicy(statement);
      this.bucket = bucket as s3.IBucket; // CDK's own types disagree here under exactOptionalPropertyTypes
    } else {
      if (props.keepRuns === false) {
        throw new RangeError(
          `keepRuns is false and bucketName is '${props.bucketName}': a bucket that is taken up again is never deleted with the stack; leave one of the two out`,
        );
      }
      this.bucket = s3.Bucket.fromBucketName(this, bucketId, props.bucketName);
      // A bucket by its name takes no statements. In the same place as a new bucket's policy, so that a stack that made
      // the bucket can go over to naming it.
      new s3.BucketPolicy(this.bucket, "Policy", {
        bucket: this.bucket,
        document: new iam.PolicyDocument({ statements: protections(this.bucket) }),
      });
    }
  }
}

const newBucket = (scope: Construct, id: string, keepRuns: boolean): s3.Bucket =>
  new s3.Bucket(scope, id, {
    encryption: s3.BucketEncryption.S3_MANAGED,
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    versioned: true,
    removalPolicy: keepRuns ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    autoDeleteObjects: !keepRuns,
    lifecycleRules: [
      {
        noncurrentVersionExpiration: Duration.days(daysOfOldVersions),
        abortIncompleteMultipartUploadAfter: Duration.days(7),
        expiredObjectDeleteMarker: true,
      },
    ],
  });

/** What nobody may do, whatever their own policies allow. */
function protections(bucket: Pick<s3.IBucket, "bucketArn" | "arnForObjects">): iam.PolicyStatement[] {
  const everything = [bucket.bucketArn, bucket.arnForObjects("*")];
  const deny = (sid: string, actions: string[], resources: string[], conditions: object) =>
    new iam.PolicyStatement({
      sid,
      effect: iam.Effect.DENY,
      principals: [new iam.AnyPrincipal()],
      actions,
      resources,
      conditions: { ...conditions },
    });
  return [
    deny("TlsOnly", ["s3:*"], everything, { Bool: { "aws:SecureTransport": "false" } }),
    deny("RecentTlsOnly", ["s3:*"], everything, { NumericLessThan: { "s3:TlsVersion": 1.2 } }),
    // History is immutable for everybody: a journal entry and a checkpoint's manifest are created once and never
    // replaced. The parts of a multipart upload carry no such header; its completion does.
    deny(
      "HistoryIsCreatedOnlyIfAbsent",
      ["s3:PutObject"],
      [`${keyPrefixes.journal}*`, `${keyPrefixes.checkpoints}*/manifest.json`].map((keys) =>
        bucket.arnForObjects(keys),
      ),
      { Null: { "s3:if-none-match": "true" }, Bool: { "s3:ObjectCreationOperation": "true" } },
    ),
  ];
}
