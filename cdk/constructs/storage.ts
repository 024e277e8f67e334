import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { journalPrefix } from "../../core/keys.ts";

/** The kinds of keys in the bucket, by which its users are told apart. */
export const keyPrefixes = {
  journal: journalPrefix,
  checkpoints: "checkpoints/",
  attempts: "attempts/",
} as const;

/** A replaced or removed version can be brought back for so long, and is paid for. */
const daysOfOldVersions = 30;

/**
 * Where runs live: one private bucket. It stays when the stack is deleted, since it holds the trained models.
 */
export class Storage extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, "Bucket", {
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        {
          noncurrentVersionExpiration: Duration.days(daysOfOldVersions),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
          expiredObjectDeleteMarker: true,
        },
      ],
    });
    // History is immutable for everybody: a journal key is created once and never replaced. The parts of a multipart
    // upload carry no such header; its completion does.
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: "JournalIsCreatedOnlyIfAbsent",
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: ["s3:PutObject"],
        resources: [this.bucket.arnForObjects(`${keyPrefixes.journal}*`)],
        conditions: {
          Null: { "s3:if-none-match": "true" },
          Bool: { "s3:ObjectCreationOperation": "true" },
        },
      }),
    );
  }
}
