import { describe, expect, it } from "vitest";
import { parseS3Address } from "./s3-address.ts";

describe("an s3: address", () => {
  it("names a bucket, and what is below a prefix in it", () => {
    const expected: Record<string, [string, string, string]> = {
      "s3://runs": ["runs", "", "s3://runs"],
      "s3://runs/": ["runs", "", "s3://runs"],
      "S3://my.runs-1/team": ["my.runs-1", "team/", "s3://my.runs-1/team"],
      "s3://runs/a b/ключ/": ["runs", "a b/ключ/", "s3://runs/a b/ключ"],
    };
    for (const [given, [bucket, prefix, address]] of Object.entries(expected)) {
      expect(parseS3Address(given), given).toEqual({ bucket, prefix, address });
    }
  });

  it("is refused with what is wrong and what to write", () => {
    const wrong: Record<string, RegExp> = {
      "s3:": /does not begin with s3:\/\//,
      "s3:runs": /does not begin with s3:\/\//,
      "s3:/runs": /does not begin with s3:\/\//,
      "s3://": /names no bucket/,
      "s3:///runs": /names no bucket/,
      "s3://ab": /a bucket name that S3 forbids/,
      "s3://My-Runs": /a bucket name that S3 forbids/,
      "s3://runs_1/x": /a bucket name that S3 forbids/,
      "s3://-runs": /a bucket name that S3 forbids/,
      "s3://my..runs": /a bucket name that S3 forbids/,
      [`s3://${"x".repeat(64)}`]: /a bucket name that S3 forbids/,
      "s3://localhost:4566/runs": /a bucket name that S3 forbids/,
      "s3://10.0.0.1": /an IP address/,
      "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/x": /an ARN/,
      "s3://runs--use1-az4--x-s3": /a directory bucket/,
      "s3://runs//x": /an empty segment/,
      "s3://runs//": /an empty segment/,
      "s3://runs/x//": /an empty segment/,
      "s3://runs/../x": /a segment '\.\.'/,
      "s3://runs/./x": /a segment '\.'/,
      "s3://runs/x?region=eu-west-1": /'\?' or '#'/,
      "s3://runs/x#y": /'\?' or '#'/,
      "s3://runs/a\nb": /a control character/,
      [`s3://runs/${"x".repeat(513)}`]: /a prefix of 513 bytes; 512 are allowed/,
    };
    for (const [address, problem] of Object.entries(wrong)) {
      expect(() => parseS3Address(address), address).toThrow(
        expect.objectContaining({
          code: "STORE_ADDRESS",
          message: expect.stringMatching(problem),
          next: "Write s3://bucket or s3://bucket/prefix.",
          details: { address },
        }),
      );
    }
  });

  it("that holds a password is refused, and the password is not repeated", () => {
    const refusal = (() => {
      try {
        return parseS3Address("s3://AKIAEXAMPLE:secret@runs/x");
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toMatchObject({ code: "STORE_ADDRESS", details: { address: "s3://…@runs/x" } });
    expect(String(refusal)).not.toMatch(/AKIA|secret/);
  });
});
