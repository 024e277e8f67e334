import { type ErrorCode, PawlError } from "../core/errors.ts";
import { credentialWords, type Words } from "./credential-words.ts";
import { factsOf, failureOf } from "./s3-failures.ts";

/** What an error is about. */
export interface Subject {
  /** "create", "read" … */
  readonly doing: string;
  /** `undefined` where it is about the whole bucket. */
  readonly key: string | undefined;
  readonly bucket: string;
  readonly address: string;
  readonly endpoint: string | undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** The region that an answer of 301, or of a malformed authorization, names. */
function regionOf(error: unknown): string | undefined {
  if (!isRecord(error)) return undefined;
  const response = isRecord(error.$response) ? error.$response : {};
  const headers = isRecord(response.headers) ? response.headers : {};
  for (const region of [headers["x-amz-bucket-region"], error.Region]) {
    if (typeof region === "string" && /^[a-z0-9-]+$/.test(region)) return region;
  }
  return undefined;
}

const elsewhere = new Set([
  "PermanentRedirect",
  "IllegalLocationConstraintException",
  "AuthorizationHeaderMalformed",
]);

function notFound(error: unknown, { bucket }: Subject): Words {
  const { name, status } = factsOf(error);
  if (!elsewhere.has(name) && status !== 301) {
    return {
      problem: `there is no bucket ${bucket}`,
      next: "Make the bucket, or name one that is there; pawl makes none.",
    };
  }
  const region = regionOf(error);
  return {
    problem: `the bucket ${bucket} is in ${region === undefined ? "another region" : `the region ${region}`}`,
    next: `Set AWS_REGION to ${region ?? "the bucket's region"}.`,
  };
}

function unreachable(error: unknown): Words {
  const { name, status, system } = factsOf(error);
  if (system === "EPROTO" || /CERT|SIGNED|ISSUER|VERIFY/.test(system ?? "")) {
    return {
      problem: "there is no TLS connection that can be trusted",
      next: "See whether the endpoint begins with http: or https:; name your own authority in NODE_EXTRA_CA_CERTS.",
    };
  }
  const bySystem: Readonly<Record<string, string>> = {
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "its name cannot be looked up",
    ECONNREFUSED: "nothing answers there",
  };
  const silent = name === "TimeoutError" ? "it does not answer in time" : "the connection breaks";
  const problem = status === undefined ? (bySystem[system ?? ""] ?? silent) : "it is busy or failing";
  return {
    problem: `${problem}, and trying again has not helped`,
    next: "See that the endpoint is right and up (AWS_ENDPOINT_URL, AWS_REGION), then run the same command.",
  };
}

const words: Readonly<Partial<Record<ErrorCode, (error: unknown, subject: Subject) => Words>>> = {
  STORE_NOT_FOUND: notFound,
  STORE_CREDENTIALS: (error) => credentialWords(error, "endpoint"),
  STORE_DENIED: () => ({
    problem: "it is not allowed",
    next: "Let these credentials list the bucket, and get, put and delete objects below the store's prefix.",
  }),
  STORE_UNREACHABLE: unreachable,
  STORE_DIGEST: () => ({
    problem: "the bytes have another checksum than they should, each time",
    next: "Run the same command again; if it goes on, the object or the network damages what it holds.",
  }),
  STORE_UNWRITABLE: () => ({
    problem: "an object is where a folder would be, and this server keeps objects as files",
    next: "Use another prefix, or a server that can hold both a key and keys below it.",
  }),
  STORE_FULL: () => ({ problem: "there is no space left", next: "Free space there, or raise the quota." }),
  STORE_KEY: () => ({
    problem: "the key is too long for this server",
    next: "Use shorter names, or a shorter prefix.",
  }),
};

/** What nothing else fits; S3's own code is told behind it. */
const otherWords: Words = { problem: "S3 refused it", next: "See the cause, then run the same command." };

const gone: Words = {
  problem: "what was sent is gone, aborted by somebody or lost by the server",
  next: "Run the same command again.",
};

/** What a person is told where a request failed. What is no failure of S3 is given back as it is. */
export function s3Error(error: unknown, subject: Subject): unknown {
  if (error instanceof PawlError) return error;
  const { code } = failureOf(error);
  if (code === undefined) return error;
  const { name, status, system } = factsOf(error);
  const { problem, next } = words[code]?.(error, subject) ?? (/Upload/.test(name) ? gone : otherWords);
  const { doing, key, bucket, address, endpoint } = subject;
  const what = key === undefined ? `the store ${address}` : `${key} in the store ${address}`;
  const where = endpoint === undefined ? "" : ` at ${endpoint}`;
  const told = [system ?? name, ...(status === undefined ? [] : [status])].join(" ");
  return new PawlError(code, `cannot ${doing} ${what}${where}: ${problem} (${told})`, {
    next,
    details: {
      bucket,
      ...(key === undefined ? {} : { key }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(status === undefined ? {} : { status }),
      error: system ?? name,
    },
    cause: error,
  });
}
