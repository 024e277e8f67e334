import type { Aws } from "../aws/aws.ts";
import { isNamed } from "../aws/errors.ts";
import type { StackSight } from "./doctor-stack.ts";

/** What a check looks with. */
export interface Looking {
  readonly aws: Aws;
  readonly region: string;
  /** Aborts when the check has had its time. */
  readonly signal: AbortSignal;
  /** The stack, looked up once for all; `undefined` where there is none of its name. */
  stack(): Promise<StackSight | undefined>;
  /** What a check can do without: `undefined` where it fails, or is not there when half of the time is over. */
  hint<Value>(value: Promise<Value>): Promise<Value | undefined>;
}

type Send<Answer> = (options: { abortSignal: AbortSignal }) => Promise<Answer>;

/** Asks AWS; `action` is the permission that it needs. Errors: those of `Aws.run`. */
export const ask = <Answer>(
  { aws, signal }: Pick<Looking, "aws" | "signal">,
  action: string,
  send: Send<Answer>,
): Promise<Answer> => aws.run({ action }, () => send({ abortSignal: signal }), { signal });

/** As `ask`; `undefined` where AWS answers with one of the errors named, which say that there is no such thing. */
export async function askFor<Answer>(
  looking: Pick<Looking, "aws" | "signal">,
  action: string,
  absent: readonly string[],
  send: Send<Answer>,
): Promise<Answer | undefined> {
  try {
    return await ask(looking, action, send);
  } catch (error) {
    if (isNamed(error, ...absent)) return undefined;
    throw error;
  }
}
