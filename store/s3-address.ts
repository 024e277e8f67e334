import { PawlError } from "../core/errors.ts";

/** Where a store is in S3. */
export interface S3Place {
  readonly bucket: string;
  /** Before every key: empty, or ending in `/`. */
  readonly prefix: string;
  /** As a person would type it. */
  readonly address: string;
}

/** S3 counts the prefix as part of each key, and a key has 1,024 bytes at most. */
const maxPrefixBytes = 512;

const example = "Write s3://bucket or s3://bucket/prefix.";

const controls = /\p{Cc}/u;

function bucketProblem(bucket: string): string | undefined {
  if (bucket === "") return "names no bucket";
  if (bucket.startsWith("arn:"))
    return "names an ARN, and pawl takes a bucket's name or an access point's alias";
  if (bucket.endsWith("--x-s3")) return "names a directory bucket, which lists its keys in no order";
  const allowed = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) && !bucket.includes("..");
  if (!allowed) {
    return "has a bucket name that S3 forbids: 3 to 63 small letters, digits, '-' and '.', a letter or digit at both ends";
  }
  return /^\d+\.\d+\.\d+\.\d+$/.test(bucket) ? "has an IP address as its bucket" : undefined;
}

function prefixProblem(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  if (/[?#]/.test(prefix)) return "holds '?' or '#', and pawl takes no options there";
  if (controls.test(prefix) || !prefix.isWellFormed())
    return "holds a control character, or what is no Unicode";
  const bad = prefix.split("/").find((segment) => segment === "" || segment === "." || segment === "..");
  if (bad === "") return "has an empty segment in its prefix";
  if (bad !== undefined) return `has a segment '${bad}' in its prefix`;
  const bytes = Buffer.byteLength(prefix);
  return bytes > maxPrefixBytes ? `has a prefix of ${bytes} bytes; ${maxPrefixBytes} are allowed` : undefined;
}

/** Reads `s3://bucket/prefix`. Errors: STORE_ADDRESS, which repeats no password that someone wrote before an `@`. */
export function parseS3Address(address: string): S3Place {
  const refuse = (problem: string): PawlError => {
    const shown = address.replace(/^(\w+:\/*)[^/]*@/, "$1…@");
    return new PawlError("STORE_ADDRESS", `the store address ${JSON.stringify(shown)} ${problem}`, {
      next: example,
      details: { address: shown },
    });
  };
  const [, bucket, path = ""] = /^s3:\/\/([^/]*)(?:\/(.*))?$/is.exec(address) ?? [];
  if (bucket === undefined) throw refuse("does not begin with s3://");
  if (bucket.includes("@")) throw refuse("holds an '@'; credentials come from the environment or a profile");
  const prefix = path.endsWith("/") ? path.slice(0, -1) : path;
  const problem =
    bucketProblem(bucket) ?? (path === "/" ? "has an empty segment in its prefix" : prefixProblem(prefix));
  if (problem !== undefined) throw refuse(problem);
  return {
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    address: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`,
  };
}
