import { setImmediate } from "node:timers/promises";
import type { StateMachine } from "aws-local-stepfunctions";
import { PawlError } from "../core/errors.ts";
import { checkDefinition, type Definition } from "./definition-check.ts";
import { isFields, longestTimerSeconds } from "./definition-rules.ts";
import { type Json, overTheWire, StateError, sizeProblem, TerminalError } from "./interpreter-limits.ts";
import { callTask, type TaskHandler } from "./interpreter-tasks.ts";

export { StateError } from "./interpreter-limits.ts";
export type { TaskHandler } from "./interpreter-tasks.ts";

/** What happens in an execution, in its order; `entered` comes before the state's handler is called. */
export type StateEvent =
  | { readonly type: "entered"; readonly state: string; readonly input: unknown }
  | { readonly type: "exited"; readonly state: string; readonly output: unknown }
  | { readonly type: "failed"; readonly state: string; readonly error: string; readonly cause: string }
  | { readonly type: "caught"; readonly state: string }
  | { readonly type: "retried"; readonly state: string; readonly attempt: number };

export type ExecutionResult =
  | { readonly status: "SUCCEEDED"; readonly output: unknown }
  | { readonly status: "FAILED"; readonly error: string; readonly cause: string }
  | { readonly status: "ABORTED" };

export interface ExecutionOptions {
  readonly definition: Definition;
  readonly input: unknown;
  /** `$$.Execution.Name` */
  readonly name: string;
  /** `$$.Execution.Id` */
  readonly executionId: string;
  /** `$$.StateMachine.Id` */
  readonly stateMachineId: string;
  /** One for each Task state, by its name. */
  readonly handlers: Readonly<Record<string, TaskHandler>>;
  /**
   * Ends the execution: the result settles at once, and no handler is called from then on. One that is being waited
   * for is left to itself: whoever aborts tells it, too.
   */
  readonly signal: AbortSignal;
  readonly onState: (event: StateEvent) => void;
}

/**
 * Runs one execution as Step Functions would, with handlers in place of the services. A failed execution is a result;
 * an exception is a mistake of the caller's: no handler for a state, an `onState` that throws.
 *
 * @throws PawlError DEFINITION_UNSUPPORTED
 */
export async function runExecution(options: ExecutionOptions): Promise<ExecutionResult> {
  const { definition, handlers, signal } = options;
  checkDefinition(definition);
  const tasks = new Map<string, { resource: string; handler: TaskHandler }>();
  for (const [name, state] of Object.entries(definition.States)) {
    if (state.Type !== "Task") continue;
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    // The interpreter would call AWS instead.
    if (handler === undefined) throw new PawlError("INTERNAL", `there is no handler for state '${name}'`);
    tasks.set(name, { resource: state.Resource, handler });
  }
  if (signal.aborted) return { status: "ABORTED" };

  // Loaded here since it takes a tenth of a second, with all that it imports.
  const { StateMachine } = await import("aws-local-stepfunctions");
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  return await drive(machine, options, tasks);
}

type Tasks = ReadonlyMap<string, { readonly resource: string; readonly handler: TaskHandler }>;

async function drive(
  machine: StateMachine,
  options: ExecutionOptions,
  tasks: Tasks,
): Promise<ExecutionResult> {
  const { definition, name, executionId, stateMachineId, signal, onState } = options;
  let input: Json;
  try {
    input = overTheWire(options.input ?? {}, "The execution's input");
  } catch (error) {
    return failure(error);
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  const overrides = [...tasks].map(([state, { resource, handler }]) => {
    const run = async (parameters: unknown): Promise<Json> => {
      // By then the events up to here have been read, and what they show to be wrong has stopped the execution.
      await setImmediate();
      return await unlessStopped(stop.signal, () => callTask(state, resource, parameters, handler));
    };
    return [state, run] as const;
  });
  const execution = machine.run(input, {
    noThrowOnAbort: true,
    context: { Execution: { Id: executionId, Name: name }, StateMachine: { Id: stateMachineId } },
    overrides: { taskResourceLocalHandlers: Object.fromEntries(overrides) },
  });
  stop.signal.addEventListener("abort", () => execution.abort(), { once: true });
  signal.addEventListener("abort", interrupt, { once: true });
  if (signal.aborted) interrupt();

  let problem: StateError | undefined;
  const watched = (async () => {
    for await (const happened of execution.eventLogs) {
      if (problem !== undefined || !("state" in happened)) continue;
      const event = stateEvent(happened);
      problem = edgeProblem(definition, event);
      // An execution that has failed already is not failed otherwise.
      if (problem !== undefined) stop.abort();
      onState(problem === undefined ? event : { type: "failed", state: event.state, ...described(problem) });
    }
  })();
  watched.catch(interrupt); // onState threw
  const settled = await execution.result.then(
    (output): ExecutionResult =>
      stop.signal.aborted ? { status: "ABORTED" } : { status: "SUCCEEDED", output },
    (error: unknown) => failure(error instanceof Error ? error.cause : error),
  );
  signal.removeEventListener("abort", interrupt);
  await watched;
  return problem === undefined ? settled : failure(problem);
}

const described = (error: unknown): { error: string; cause: string } => {
  const words = error instanceof StateError ? error : wordsOf(error);
  return { error: words.error, cause: words.cause };
};

const wordsOf = (error: unknown): StateError =>
  error instanceof Error
    ? new StateError(error.name, error.message)
    : new StateError("Pawl.Internal", String(error));

const failure = (error: unknown): ExecutionResult => ({ status: "FAILED", ...described(error) });

/** Settles with `act`, or at once when `signal` stops the execution; then nothing retries or catches. */
function unlessStopped<Result>(signal: AbortSignal, act: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(new TerminalError("Pawl.Aborted", "The execution was aborted."));
    if (signal.aborted) return stopped();
    // Not a race with one promise for all: that would hold the result of every task until the execution ends.
    signal.addEventListener("abort", stopped, { once: true });
    act()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", stopped));
  });
}

type EventOf<Events> = Events extends AsyncGenerator<infer Event> ? Event : never;
type Happened = Extract<EventOf<ReturnType<StateMachine["run"]>["eventLogs"]>, { state: unknown }>;

function stateEvent(event: Happened): StateEvent {
  const { name: state, input, output } = event.state;
  switch (event.type) {
    case "StateEntered":
      return { type: "entered", state, input };
    case "StateExited":
      return { type: "exited", state, output };
    case "StateFailed":
      return { type: "failed", state, error: event.Error, cause: String(event.Cause) };
    case "StateCaught":
      return { type: "caught", state };
    case "StateRetried":
      return { type: "retried", state, attempt: event.retry.attempt };
  }
}

/** What Step Functions would have failed the execution for, and the interpreter lets pass. */
function edgeProblem(definition: Definition, event: StateEvent): StateError | undefined {
  if (event.type === "exited") return sizeProblem(event.output, `The output of state '${event.state}'`);
  if (event.type !== "entered") return undefined;
  const state = definition.States[event.state];
  if (state?.Type !== "Wait" || state.SecondsPath === undefined) return undefined;
  const seconds = valueAt(event.input, state.SecondsPath);
  if (typeof seconds !== "number" || seconds <= longestTimerSeconds) return undefined;
  return new StateError(
    "States.Runtime",
    `State '${event.state}' would wait ${seconds} s; on this machine it can wait ${longestTimerSeconds} s.`,
  );
}

/** What a plain path (`$.a.b`) leads to. */
const valueAt = (value: unknown, path: string): unknown =>
  path
    .split(".")
    .slice(1)
    .reduce((inner, name) => (isFields(inner) ? inner[name] : undefined), value);
