import { setTimeout as sleep } from "node:timers/promises";
import { Aws } from "../aws/aws.ts";
import { Executions, isRunning } from "../aws/executions.ts";
import { PawlError } from "../core/errors.ts";
import { causeWords } from "./refusal.ts";

/** Nobody waits long for an answer that is only a help. */
const patience = { totalMilliseconds: 2_000, firstWaitMilliseconds: 100, longestWaitMilliseconds: 1_000 };

/** So long it may take until a machine without credentials, or without a network, is known for that. */
const longestMilliseconds = 5_000;

/** Of each region one, with its connections. */
const services = new Map<string, Executions>();

function executionsIn(region: string): Executions {
  const known = services.get(region);
  if (known !== undefined) return known;
  const made = new Executions(new Aws({ region, patience }));
  services.set(region, made);
  return made;
}

const regionOf = (arn: string): string | undefined => /^arn:[^:]+:states:([^:]+):/.exec(arn)?.[1];

const successorArn = (arn: string, name: string): string =>
  `${arn.slice(0, arn.lastIndexOf(":") + 1)}${name}`;

/** How an execution ended. */
interface Ending {
  readonly status: string;
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** `FAILED: States.Runtime: the state's input …` */
export const endingWords = ({ status, error, cause }: Ending): string =>
  [status, error, cause === undefined ? undefined : causeWords(cause)]
    .filter((word) => word !== undefined && word !== "")
    .join(": ")
    .slice(0, 1000);

/**
 * Whether the execution runs, or the one that it handed over to does. `true` where nobody can say: without credentials,
 * without a network, or where they may not ask.
 */
export const isExecutionAlive = (arn: string, successor?: string): Promise<boolean> =>
  orIfNobodyCanSay(true, arn, async (region) => {
    const executions = executionsIn(region);
    if (isRunning((await executions.describe(arn))?.status)) return true;
    if (successor === undefined) return false;
    return isRunning((await executions.describe(successorArn(arn, successor)))?.status);
  });

/** How an execution ended; `undefined` where it has not, is forgotten, or nobody can say. */
export const endingOf = (arn: string): Promise<Ending | undefined> =>
  orIfNobodyCanSay(
    undefined,
    arn,
    async (region) => await describeEnding(new Aws({ region, patience }), arn),
  );

/** The same, with what Step Functions answers where it fails. */
export async function describeEnding(aws: Aws, executionArn: string): Promise<Ending | undefined> {
  const found = await new Executions(aws).describe(executionArn);
  if (found === undefined || isRunning(found.status)) return undefined;
  const { status = "unknown", error, cause } = found;
  return { status, error, cause };
}

async function orIfNobodyCanSay<Answer>(
  otherwise: Answer,
  arn: string,
  ask: (region: string) => Promise<Answer>,
): Promise<Answer> {
  const region = regionOf(arn);
  if (region === undefined) return otherwise;
  const ended = new AbortController();
  try {
    const late = sleep(longestMilliseconds, otherwise, { signal: ended.signal, ref: false }).catch(
      () => otherwise,
    );
    return await Promise.race([ask(region), late]);
  } catch (error) {
    if (error instanceof PawlError || isOfSdk(error)) return otherwise;
    throw error;
  } finally {
    ended.abort();
  }
}

/** The SDK's own errors of what it was given, as of an ARN that is none. */
const isOfSdk = (error: unknown): boolean => error instanceof Error && "$metadata" in error;
