import * as z from "zod";
import type { Life } from "./life.ts";

/** A failure by the name that Retry and Catch see. */
export class StateFailure extends Error {
  readonly error: string;
  override readonly cause: string;

  constructor(error: string, cause: string) {
    super(`${error}: ${cause}`);
    this.name = error;
    this.error = error;
    this.cause = cause;
  }
}

const Retrier = z.object({
  ErrorEquals: z.array(z.string()),
  IntervalSeconds: z.number().default(1),
  MaxAttempts: z.number().default(3),
  BackoffRate: z.number().default(2),
  MaxDelaySeconds: z.number().optional(),
});
const Catcher = z.object({
  ErrorEquals: z.array(z.string()),
  Next: z.string(),
  ResultPath: z.string().nullish(),
});
const Choice = z.object({ Variable: z.string(), StringEquals: z.string(), Next: z.string() });

const State = z.discriminatedUnion("Type", [
  z.object({
    Type: z.literal("Task"),
    Resource: z.string(),
    Next: z.string(),
    TimeoutSeconds: z.number(),
    Parameters: z.unknown(),
    ResultSelector: z.unknown().optional(),
    ResultPath: z.string().nullish(),
    OutputPath: z.string().optional(),
    Retry: z.array(Retrier).default([]),
    Catch: z.array(Catcher).default([]),
  }),
  z.object({ Type: z.literal("Wait"), SecondsPath: z.string(), Next: z.string() }),
  z.object({ Type: z.literal("Choice"), Choices: z.array(Choice), Default: z.string() }),
  z.object({ Type: z.literal("Succeed") }),
  z.object({
    Type: z.literal("Fail"),
    ErrorPath: z.string().optional(),
    CausePath: z.string().optional(),
    Error: z.string().optional(),
    Cause: z.string().optional(),
  }),
]);

/** Those parts of a state machine that ours is made of (`local/definition-check.ts` refuses others). */
export const StateMachine = z.object({ StartAt: z.string(), States: z.record(z.string(), State) });
export type StateMachine = z.infer<typeof StateMachine>;

export interface Execution {
  readonly machine: StateMachine;
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly life: Life;
  /** Calls the service behind a task's resource. */
  readonly call: (resource: string, parameters: unknown) => Promise<unknown>;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  readonly onState?: (state: string) => void;
}

export type Ending =
  | { readonly status: "SUCCEEDED" }
  | { readonly status: "FAILED"; readonly error: string; readonly cause: string };

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function at(path: string, input: unknown): unknown {
  let value = input;
  for (const name of path.split(".").slice(1)) {
    if (!isFields(value) || !(name in value))
      throw new StateFailure("States.Runtime", `the path ${path} is not in ${JSON.stringify(input)}`);
    value = value[name];
  }
  return value;
}

function put(path: string | null | undefined, input: unknown, result: unknown): unknown {
  if (path === null) return input;
  const [name, ...deeper] = path?.split(".").slice(1) ?? [];
  if (name === undefined) return result;
  if (deeper.length > 0 || !isFields(input))
    throw new StateFailure("States.Runtime", `cannot put at ${path}`);
  return { ...input, [name]: result };
}

const matches = (names: readonly string[], { error }: StateFailure): boolean =>
  names.includes(error) || (names.includes("States.ALL") && error !== "States.Runtime");

/** Runs the state machine in virtual time, as Step Functions does; what the embedded interpreter does with real timers. */
export async function runMachine(execution: Execution): Promise<Ending> {
  const { machine, life, onState } = execution;
  const context = {
    Execution: { Id: execution.id, Name: execution.name, Input: execution.input },
    StateMachine: { Id: "arn:aws:states:virtual:000000000000:stateMachine:pawl" },
  };
  const look = (path: string, input: unknown): unknown => {
    const [, text, ...args] = /^States\.Format\('([^']*)'(.*)\)$/.exec(path) ?? [];
    if (text !== undefined) {
      const values = args
        .join("")
        .split(",")
        .slice(1)
        .map((each) => String(look(each.trim(), input)));
      return text.replaceAll("{}", () => values.shift() ?? "");
    }
    return path.startsWith("$$") ? at(path.slice(1), context) : at(path, input);
  };
  const fill = (template: unknown, input: unknown): unknown => {
    if (Array.isArray(template)) return template.map((item: unknown) => fill(item, input));
    if (!isFields(template)) return template;
    return Object.fromEntries(
      Object.entries(template).map(([key, value]) =>
        key.endsWith(".$") ? [key.slice(0, -2), look(String(value), input)] : [key, fill(value, input)],
      ),
    );
  };
  let name = machine.StartAt;
  let input: unknown = execution.input;
  try {
    for (;;) {
      const state = machine.States[name];
      if (state === undefined) throw new StateFailure("States.Runtime", `there is no state ${name}`);
      onState?.(name);
      switch (state.Type) {
        case "Succeed":
          return { status: "SUCCEEDED" };
        case "Fail":
          return {
            status: "FAILED",
            error: String(state.ErrorPath === undefined ? state.Error : at(state.ErrorPath, input)),
            cause: String(state.CausePath === undefined ? state.Cause : at(state.CausePath, input)),
          };
        case "Wait":
          await life.sleep(Number(at(state.SecondsPath, input)));
          name = state.Next;
          break;
        case "Choice": {
          const taken = state.Choices.find(
            ({ Variable, StringEquals }) => at(Variable, input) === StringEquals,
          );
          name = taken?.Next ?? state.Default;
          break;
        }
        case "Task": {
          const parameters = fill(state.Parameters, input);
          const outcome = await task(execution, state, parameters);
          if ("caught" in outcome) {
            input = put(outcome.by.ResultPath ?? null, input, outcome.caught);
            name = outcome.by.Next;
            break;
          }
          const selected =
            state.ResultSelector === undefined ? outcome.result : fill(state.ResultSelector, outcome.result);
          const whole = put(state.ResultPath, input, selected);
          input = state.OutputPath === undefined ? whole : at(state.OutputPath, whole);
          name = state.Next;
        }
      }
    }
  } catch (error) {
    if (!(error instanceof StateFailure)) throw error;
    return { status: "FAILED", error: error.error, cause: error.cause };
  }
}

type Task = Extract<StateMachine["States"][string], { Type: "Task" }>;

type Outcome =
  | { readonly result: unknown }
  | { readonly caught: { Error: string; Cause: string }; readonly by: z.infer<typeof Catcher> };

async function task(execution: Execution, state: Task, parameters: unknown): Promise<Outcome> {
  const { life, call, random } = execution;
  const tried = new Map<object, number>();
  for (;;) {
    try {
      const late = life.sleep(state.TimeoutSeconds).then(() => {
        throw new StateFailure("States.Timeout", "");
      });
      late.catch(() => {});
      return { result: await Promise.race([life.of(call(state.Resource, parameters)), late]) };
    } catch (error) {
      if (!(error instanceof StateFailure)) throw error;
      const retrier = state.Retry.find(({ ErrorEquals }) => matches(ErrorEquals, error));
      const times = retrier === undefined ? 0 : (tried.get(retrier) ?? 0);
      if (retrier !== undefined && times < retrier.MaxAttempts) {
        tried.set(retrier, times + 1);
        const longest = retrier.IntervalSeconds * retrier.BackoffRate ** times;
        await life.sleep(random() * Math.min(longest, retrier.MaxDelaySeconds ?? longest));
        continue;
      }
      const by = state.Catch.find(({ ErrorEquals }) => matches(ErrorEquals, error));
      if (by === undefined) throw error;
      return { caught: { Error: error.error, Cause: error.cause }, by };
    }
  }
}
