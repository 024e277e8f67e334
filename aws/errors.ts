import { type ErrorCode, PawlError } from "../core/errors.ts";
import { credentialWords, type Words } from "../store/credential-words.ts";
import { factsOf } from "../store/s3-failures.ts";
import { awsFailure } from "./failures.ts";

/** What a request is about. */
export interface About {
  /** As policies name it: `batch:SubmitJob`. */
  readonly action: string;
  /** Its ARN or name, where it is about one thing. */
  readonly resource?: string | undefined;
}

/** Where the request was to go. */
export interface Where {
  readonly region: string | undefined;
  /** Somebody named it; else it follows from the region. */
  readonly endpoint: string | undefined;
}

function unreachable(error: unknown, { endpoint }: Where): Words {
  const { name, status, system } = factsOf(error);
  const bySystem: Readonly<Record<string, string>> = {
    ENOTFOUND: "there is no such host",
    EAI_AGAIN: "its name cannot be looked up",
    ECONNREFUSED: "nothing answers there",
  };
  const silent = name === "TimeoutError" ? "it does not answer in time" : "the connection breaks";
  const problem =
    status === undefined
      ? (bySystem[system ?? ""] ?? silent)
      : `it is busy or failing, and trying again has not helped`;
  const next =
    endpoint === undefined
      ? "See that the network is up, then run the same command."
      : `See that ${endpoint} is right and up (AWS_ENDPOINT_URL), then run the same command.`;
  return { problem, next };
}

const wordsFor = (code: ErrorCode, error: unknown, { action, resource }: About, where: Where): Words => {
  if (code === "AWS_CREDENTIALS") return credentialWords(error, "account");
  if (code === "AWS_UNREACHABLE") return unreachable(error, where);
  if (code === "AWS_REGION") {
    const region = where.region ?? /^Region not accepted: region="(.*?)"/.exec(ownWords(error))?.[1];
    return region === undefined || region === ""
      ? { problem: "no region is set", next: "Set AWS_REGION, or 'region' in the profile." }
      : {
          problem: `the region ${region} has no such service, or there is no such region`,
          next: "Set AWS_REGION to the region that the stack is in.",
        };
  }
  if (code === "AWS_DENIED") {
    const on = resource === undefined ? "" : ` on ${resource}`;
    return {
      problem: "these credentials may not do it",
      next: `Let them do ${action}${on}, or use others (AWS_PROFILE).`,
    };
  }
  return { problem: "it was refused", next: "See the cause, then run the same command." };
};

/** The first line of what AWS itself says; it says there who may not do what. */
const ownWords = (error: unknown): string =>
  error instanceof Error ? (error.message.split("\n")[0] ?? "").slice(0, 500) : "";

/**
 * What a person is told where a request to AWS failed: AWS_CREDENTIALS, AWS_DENIED (naming action and resource),
 * AWS_REGION, AWS_UNREACHABLE or AWS_FAILED. What is no failure of AWS is given back as it is.
 */
export function awsError(error: unknown, about: About, where: Where): unknown {
  if (error instanceof PawlError) return error;
  const facts = factsOf(error);
  const { code: found } = awsFailure(error);
  if (found === undefined) return error;
  // Only AWS's own names of hosts follow from the region.
  const isElsewhere = facts.system === "ENOTFOUND" && where.endpoint === undefined;
  const code = isElsewhere ? "AWS_REGION" : found;
  const { action, resource } = about;
  const { problem, next } = wordsFor(code, error, about, where);
  const on = resource === undefined ? "" : ` on ${resource}`;
  const at = where.endpoint ?? where.region;
  const told = [facts.system ?? facts.name, ...(facts.status === undefined ? [] : [facts.status])].join(" ");
  const said = code === "AWS_FAILED" || code === "AWS_DENIED" ? `: ${ownWords(error)}` : "";
  return new PawlError(
    code,
    `cannot do ${action}${on}${at === undefined ? "" : ` at ${at}`}: ${problem} (${told})${said}`,
    {
      next,
      details: {
        action,
        ...(resource === undefined ? {} : { resource }),
        ...where,
        ...(facts.status === undefined ? {} : { status: facts.status }),
        error: facts.system ?? facts.name,
      },
      cause: error,
    },
  );
}

/** Whether `error`, as `Aws.run` throws it, is the service's own error of this name (`ExecutionDoesNotExist` …). */
export const isNamed = (error: unknown, ...names: readonly string[]): boolean =>
  error instanceof PawlError && names.includes(String(error.details.error));
