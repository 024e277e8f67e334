import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { synthesised } from "./template.ts";

const buckets = "AWS::S3::Bucket";
const policies = "AWS::S3::BucketPolicy";

const conditionsOfPolicy = {
  PolicyDocument: {
    Statement: Match.arrayWith([
      Match.objectLike({
        Effect: "Deny",
        Action: "s3:*",
        Principal: { AWS: "*" },
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      }),
      Match.objectLike({
        Effect: "Deny",
        Action: "s3:PutObject",
        Principal: { AWS: "*" },
        Condition: {
          Null: { "s3:if-none-match": "true" },
          Bool: { "s3:ObjectCreationOperation": "true" },
        },
        Resource: [
          { "Fn::Join": ["", Match.arrayWith([Match.stringLikeRegexp("/journal/\\*$")])] },
          {
            "Fn::Join": ["", Match.arrayWith([Match.stringLikeRegexp("/checkpoints/\\*/manifest\\.json$")])],
          },
        ],
      }),
    ]),
  },
};

describe("the bucket", () => {
  const template = synthesised();

  test("is private, encrypted, versioned, and forgets what was cut short or replaced", () => {
    template.resourceCountIs(buckets, 1);
    template.hasResourceProperties(buckets, {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      VersioningConfiguration: { Status: "Enabled" },
      LifecycleConfiguration: {
        Rules: [
          {
            Status: "Enabled",
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
            NoncurrentVersionExpiration: { NoncurrentDays: 30 },
            ExpiredObjectDeleteMarker: true,
            ExpirationInDays: Match.absent(),
          },
        ],
      },
    });
  });

  test("stays when the stack goes, without the policy that a later stack will put again", () => {
    template.hasResource(buckets, { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
    template.hasResource(policies, { DeletionPolicy: Match.absent() });
    template.resourceCountIs("Custom::S3AutoDeleteObjects", 0);
  });

  test("takes TLS only, and a journal entry or a manifest only where there is none", () => {
    template.resourceCountIs(policies, 1);
    template.hasResourceProperties(policies, conditionsOfPolicy);
  });

  test("goes with all runs where that is chosen", () => {
    const going = synthesised({ keepRuns: false });
    going.hasResource(buckets, { DeletionPolicy: "Delete" });
    going.resourceCountIs("Custom::S3AutoDeleteObjects", 1);
    going.resourceCountIs(policies, 1);
    going.hasResourceProperties(policies, conditionsOfPolicy);
  });
});

describe("a bucket that an earlier stack left", () => {
  const template = synthesised({ bucketName: "kept-runs-1" });

  test("is taken up again: used, never made or deleted, and given its policy", () => {
    template.resourceCountIs(buckets, 0);
    template.resourceCountIs(policies, 1);
    template.hasResourceProperties(policies, { Bucket: "kept-runs-1", ...conditionsOfPolicy });
    template.hasOutput("Bucket", { Value: "kept-runs-1" });
    template.allResourcesProperties("AWS::Lambda::Function", {
      Environment: { Variables: { PAWL_STORE: "s3://kept-runs-1" } },
    });
  });

  test("can be named by the very stack that made it: its policy stays the same resource", () => {
    expect(Object.keys(template.findResources(policies))).toEqual(
      Object.keys(synthesised().findResources(policies)),
    );
  });

  test("is not to be deleted", () => {
    expect(() => synthesised({ bucketName: "kept-runs-1", keepRuns: false })).toThrow(
      "keepRuns is false and bucketName is 'kept-runs-1'",
    );
  });
});
