import type { ErrorCode } from "../core/errors.ts";
import { systemCode } from "./folder-errors.ts";

/** What an error of a request to S3 means. */
export interface Failure {
  /** The same request may succeed at another time. */
  readonly again: boolean;
  /** Whether the server did what was asked is not known. */
  readonly doubtful: boolean;
  /** How often it is tried, where time is not what helps. */
  readonly tries?: number;
  /** Pawl's code for it; `undefined` for what is no failure of S3 or of the way there. */
  readonly code: ErrorCode | undefined;
}

/** What can be seen of an error. */
export interface ErrorFacts {
  /** S3's own code (`SlowDown` …), or the error's name. */
  readonly name: string;
  /** The HTTP status; `undefined` where no answer came. */
  readonly status: number | undefined;
  /** The system's code (`ECONNRESET` …). */
  readonly system: string | undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

export function factsOf(error: unknown): ErrorFacts {
  const metadata = isRecord(error) && isRecord(error.$metadata) ? error.$metadata : {};
  const status = typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
  return { name: error instanceof Error ? error.name : "", status, system: systemCode(error) };
}

const later = (code: ErrorCode): Failure => ({ again: true, doubtful: true, code });
const never = (code: ErrorCode): Failure => ({ again: false, doubtful: false, code });

const busy = later("STORE_UNREACHABLE");
/** What is damaged in the store stays so; some servers also read bytes and checksum of two writes while one replaces the other. */
const damaged: Failure = { ...later("STORE_DIGEST"), tries: 7 };
const identity = never("STORE_CREDENTIALS");
const insecure = never("STORE_UNREACHABLE");
const inTheWay = never("STORE_UNWRITABLE");

/** By S3's own code, or the error's name. */
const byName: Readonly<Record<string, Failure>> = {
  SlowDown: busy,
  ServiceUnavailable: busy,
  InternalError: busy,
  Throttling: busy,
  ThrottlingException: busy,
  TooManyRequests: busy,
  RequestLimitExceeded: busy,
  BandwidthLimitExceeded: busy,
  TimeoutError: busy,
  RequestTimeout: busy,
  RequestTimeoutException: busy,
  IncompleteBody: busy,
  // Two conditional writes of one key at one time: at the next try one of them has won.
  ConditionalRequestConflict: busy,
  OperationAborted: busy,
  UploadUnsettled: { ...later("STORE_FAILED"), tries: 5 },
  TemporaryRedirect: busy,
  NotImplemented: never("STORE_FAILED"),
  // The SDK has learned the server's time from the answer.
  RequestTimeTooSkewed: { ...later("STORE_CREDENTIALS"), tries: 3 },
  BadDigest: damaged,
  InvalidDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
  XAmzContentChecksumMismatch: damaged,
  ChecksumMismatch: damaged,
  NoSuchBucket: never("STORE_NOT_FOUND"),
  PermanentRedirect: never("STORE_NOT_FOUND"),
  IllegalLocationConstraintException: never("STORE_NOT_FOUND"),
  AuthorizationHeaderMalformed: never("STORE_NOT_FOUND"),
  CredentialsProviderError: identity,
  TokenProviderError: identity,
  InvalidAccessKeyId: identity,
  InvalidClientTokenId: identity,
  UnrecognizedClientException: identity,
  SignatureDoesNotMatch: identity,
  ExpiredToken: identity,
  ExpiredTokenException: identity,
  InvalidToken: identity,
  TokenRefreshRequired: identity,
  AccessDenied: never("STORE_DENIED"),
  AllAccessDisabled: never("STORE_DENIED"),
  AccountProblem: never("STORE_DENIED"),
  QuotaExceeded: never("STORE_FULL"),
  StorageFull: never("STORE_FULL"),
  XMinioStorageFull: never("STORE_FULL"),
  KeyTooLongError: never("STORE_KEY"),
  // Of servers that keep objects as files.
  ObjectParentIsFile: inTheWay,
  ExistingObjectIsDirectory: inTheWay,
  DirectoryObjectContainsData: inTheWay,
};

/** By the system's code, where no answer came. */
const bySystem: Readonly<Record<string, Failure>> = {
  // Nothing was sent.
  ECONNREFUSED: { ...busy, doubtful: false },
  ENOTFOUND: { ...busy, doubtful: false },
  EAI_AGAIN: { ...busy, doubtful: false },
  EHOSTUNREACH: busy,
  ENETUNREACH: busy,
  ENETDOWN: busy,
  ECONNRESET: busy,
  ECONNABORTED: busy,
  EPIPE: busy,
  ETIMEDOUT: busy,
  ERR_STREAM_PREMATURE_CLOSE: busy,
  ERR_SOCKET_CLOSED: busy,
  EMFILE: { ...busy, doubtful: false },
  // What is said there is not TLS, though it should be.
  EPROTO: insecure,
  ERR_TLS_CERT_ALTNAME_INVALID: insecure,
  CERT_HAS_EXPIRED: insecure,
  CERT_NOT_YET_VALID: insecure,
  DEPTH_ZERO_SELF_SIGNED_CERT: insecure,
  SELF_SIGNED_CERT_IN_CHAIN: insecure,
  UNABLE_TO_GET_ISSUER_CERT: insecure,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: insecure,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: insecure,
};

/** By the status, where S3's code says nothing. */
const byStatus: Readonly<Record<number, Failure>> = {
  301: never("STORE_NOT_FOUND"),
  401: identity,
  403: never("STORE_DENIED"),
  408: busy,
  409: busy,
  425: busy,
  429: busy,
  501: never("STORE_FAILED"),
  507: never("STORE_FULL"),
};

/** The one table from an error to what it means; what is in none of its parts is the caller's own. */
export function failureOf(error: unknown): Failure {
  const { name, status, system } = factsOf(error);
  const known = byName[name] ?? (status === undefined ? undefined : byStatus[status]);
  if (known !== undefined) return known;
  // An answer of 2xx that makes no sense was damaged on its way.
  if (status !== undefined) return status >= 500 || status < 300 ? busy : never("STORE_FAILED");
  if (system === undefined) return { again: false, doubtful: false, code: undefined };
  return (
    bySystem[system] ??
    (system.startsWith("HPE_") ? busy : { again: false, doubtful: false, code: undefined })
  );
}

/** The condition of a write was not met (or, `NoSuchKey`, there is nothing to replace). */
export function isRefusal(error: unknown): boolean {
  const { name, status } = factsOf(error);
  return status === 412 || name === "PreconditionFailed" || name === "NoSuchKey";
}

/** There is no such object. A bucket that is missing is another thing, which HEAD cannot tell. */
export function isAbsentObject(error: unknown): boolean {
  const { name, status } = factsOf(error);
  return status === 404 && name !== "NoSuchBucket" && name !== "NoSuchUpload";
}

export const isGoneUpload = (error: unknown): boolean => factsOf(error).name === "NoSuchUpload";
