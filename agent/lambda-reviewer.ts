import * as z from "zod";
import { Aws, type AwsOptions } from "../aws/aws.ts";
import { FunctionError, Functions, mostPayloadBytes } from "../aws/functions.ts";
import { ReviewReply } from "../core/answers.ts";
import { PawlError } from "../core/errors.ts";
import type { AttemptRequest } from "../core/requests.ts";
import type { Patience } from "../store/s3-retry.ts";
import { AttemptError } from "./attempt-error.ts";
import type { Reviewer } from "./reviewer.ts";

/** Training goes on meanwhile, an epoch ahead: an outage of this length costs less than another instance. */
const patience: Patience = {
  totalMilliseconds: 300_000,
  firstWaitMilliseconds: 200,
  longestWaitMilliseconds: 20_000,
};

/** A decision takes less than a second; the same asked again gets the same answer. */
const timeouts = { connectMilliseconds: 5_000, idleMilliseconds: 45_000 };

/** Failures of the function that are not of what it was asked: of Lambda itself, and of its way to the store. */
const transient =
  /^(?:Sandbox|Runtime|Extension|Lambda|Function)\.(?!ResponseSizeTooLarge)|^Pawl\.(?:StoreUnreachable|StoreCredentials|AwsUnreachable|Internal)$/;

const timedOut = /Task timed out after/;

const isTransient = (error: unknown): boolean =>
  error instanceof FunctionError && (transient.test(error.type) || timedOut.test(error.message));

/**
 * Asks the Review function by Lambda. What was throttled or lost is asked again, which changes nothing: an event that is
 * repeated gets the same answer. Throws AttemptError: `store-failed` where no answer comes; STORE_FULL as the pipe does.
 */
export function lambdaReviewer(name: string, options: AwsOptions = {}): Reviewer {
  const functions = new Functions(new Aws({ patience, timeouts, ...options }));
  return {
    async review(request) {
      checkSize(request);
      try {
        return understood(await functions.invoke(name, request, { again: isTransient }));
      } catch (error) {
        throw told(error);
      }
    },
  };
}

function checkSize(request: AttemptRequest): void {
  const bytes = Buffer.byteLength(JSON.stringify(request));
  if (bytes <= mostPayloadBytes) return;
  const told = `the ${request.event.type} has ${bytes} bytes, and Review takes ${mostPayloadBytes} at most`;
  throw new AttemptError("user-exception", `${told}: report fewer metrics`);
}

function understood(answer: unknown): ReviewReply {
  const parsed = ReviewReply.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new AttemptError("unknown", `Review's answer is not understood: ${z.prettifyError(parsed.error)}`);
}

function told(error: unknown): unknown {
  if (error instanceof FunctionError) {
    if (error.type === "Pawl.StoreFull") return new PawlError("STORE_FULL", error.message);
    const words = `the decision could not be made: ${error.type}: ${error.message}`;
    return new AttemptError("store-failed", words);
  }
  if (error instanceof PawlError)
    return new AttemptError("store-failed", `Review cannot be asked: ${error.message}`);
  return error;
}
