import type { ErrorCode } from "../core/errors.ts";
import { type Failure, factsOf, failureOf } from "../store/s3-failures.ts";

const later: Failure = { again: true, doubtful: true, code: "AWS_UNREACHABLE" };
const never = (code: ErrorCode): Failure => ({ again: false, doubtful: false, code });

const identity = never("AWS_CREDENTIALS");
const denied = never("AWS_DENIED");
const region = never("AWS_REGION");
const refused = never("AWS_FAILED");
const unreachable = never("AWS_UNREACHABLE");

/** By the services' own codes; those that S3 has too are in its table. Some services say them with a status of 400. */
const byName: Readonly<Record<string, Failure>> = {
  TooManyRequestsException: later,
  ThrottledException: later,
  RequestThrottled: later,
  RequestThrottledException: later,
  PriorRequestNotComplete: later,
  ServerException: later,
  ServiceException: later,
  InternalFailure: later,
  InternalServerException: later,
  InternalErrorException: later,
  KMSThrottlingException: later,
  // Lambda, while a function is made or gets its network.
  ResourceNotReadyException: later,
  ResourceConflictException: later,
  EC2ThrottledException: later,
  ENILimitReachedException: later,
  MissingAuthenticationToken: identity,
  MissingAuthenticationTokenException: identity,
  InvalidSignatureException: identity,
  IncompleteSignature: identity,
  RequestExpired: identity,
  AuthFailure: identity,
  AccessDeniedException: denied,
  UnauthorizedOperation: denied,
  AuthorizationError: denied,
  AuthorizationErrorException: denied,
  NotAuthorized: denied,
  KMSAccessDeniedException: denied,
  OptInRequired: denied,
  UnknownEndpoint: region,
};

/** S3's words for what is the same of every service. */
const ofStore: Readonly<Partial<Record<ErrorCode, Failure>>> = {
  STORE_CREDENTIALS: identity,
  STORE_DENIED: denied,
  STORE_UNREACHABLE: unreachable,
};

const unknown: Failure = { again: false, doubtful: false, code: undefined };

/** Nothing was sent, as far as the error says. */
const unsent: Failure = { ...later, doubtful: false };

/** The SDK has learned the server's time from the answer. */
const skewed: Failure = { ...later, code: "AWS_CREDENTIALS", tries: 3 };

/** What an error of a request to a service of AWS means; what is none has no code. */
export function awsFailure(error: unknown): Failure {
  const { name, status } = factsOf(error);
  const known = byName[name];
  if (known !== undefined) return known;
  if (name === "RequestTimeTooSkewed") return skewed;
  // The SDK has no name of its own for it.
  if (error instanceof Error && /^Region (is missing|not accepted)/.test(error.message)) return region;
  const { again, doubtful, code } = failureOf(error);
  if (code === undefined) return status === undefined ? unknown : refused;
  if (again) return doubtful ? later : unsent;
  return ofStore[code] ?? refused;
}
