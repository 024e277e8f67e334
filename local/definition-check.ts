import type { StateMachineDefinition } from "aws-local-stepfunctions";
import {
  checkCatch,
  checkKnown,
  checkResultPath,
  checkRetry,
  checkSeconds,
  checkTemplate,
  type Fields,
  isFields,
  isPath,
  unsupported,
} from "./definition-rules.ts";

/** A state machine that the embedded interpreter runs as Step Functions does. */
export type Definition = StateMachineDefinition;

interface StateRule {
  readonly fields: ReadonlySet<string>;
  /** Checks the fields, and gives the states that this one leads to. */
  readonly check: (name: string, state: Fields) => unknown[];
}

const taskResource = /^arn:aws[a-z-]*:states:::(lambda:invoke|batch:submitJob\.sync|states:startExecution)$/;

/** What the interpreter is trusted with; a field that is not here is refused, not ignored. */
const rules: Readonly<Record<string, StateRule>> = {
  Task: {
    fields: new Set([
      "Resource",
      "TimeoutSeconds",
      "InputPath",
      "Parameters",
      "ResultSelector",
      "ResultPath",
      "OutputPath",
      "Retry",
      "Catch",
      "Next",
      "End",
    ]),
    check: (name, state) => {
      if (typeof state.Resource !== "string" || !taskResource.test(state.Resource)) {
        throw unsupported(name, "Resource", `${JSON.stringify(state.Resource)} is not run locally`);
      }
      // Without one the interpreter takes 60 seconds, and AWS a year.
      checkSeconds(name, "TimeoutSeconds", state.TimeoutSeconds, 1);
      for (const field of ["InputPath", "OutputPath"]) {
        if (state[field] !== undefined && !isPath(state[field]))
          throw unsupported(name, field, "must be a plain path");
      }
      checkTemplate(name, "Parameters", state.Parameters);
      checkTemplate(name, "ResultSelector", state.ResultSelector);
      checkResultPath(name, "ResultPath", state.ResultPath);
      if (state.Retry !== undefined) checkRetry(name, state.Retry);
      if (state.Catch === undefined) return successors(name, state);
      if (state.OutputPath !== undefined)
        throw unsupported(name, "OutputPath", "what Catch gives would not pass it");
      return [...successors(name, state), ...checkCatch(name, state.Catch)];
    },
  },
  Choice: {
    fields: new Set(["Choices", "Default"]),
    check: (name, state) => {
      if (typeof state.Default !== "string") throw unsupported(name, "Default", "must name a state");
      if (!Array.isArray(state.Choices) || state.Choices.length === 0) {
        throw unsupported(name, "Choices", "must be a list that is not empty");
      }
      const targets = state.Choices.map((choice: unknown, index) => {
        const field = `Choices[${index}]`;
        if (!isFields(choice)) throw unsupported(name, field, "must hold fields");
        checkKnown(name, choice, choiceFields, `${field}.`);
        if (!isPath(choice.Variable)) throw unsupported(name, `${field}.Variable`, "must be a plain path");
        if (typeof choice.StringEquals !== "string") {
          throw unsupported(name, `${field}.StringEquals`, "must be a text");
        }
        return choice.Next;
      });
      return [...targets, state.Default];
    },
  },
  Wait: {
    fields: new Set(["Seconds", "SecondsPath", "Next", "End"]),
    check: (name, state) => {
      oneOf(name, state, "Seconds", "SecondsPath");
      if (state.Seconds !== undefined) checkSeconds(name, "Seconds", state.Seconds, 0);
      if (state.SecondsPath !== undefined && !isPath(state.SecondsPath)) {
        throw unsupported(name, "SecondsPath", "must be a plain path");
      }
      return successors(name, state);
    },
  },
  Succeed: { fields: new Set(), check: () => [] },
  Fail: {
    fields: new Set(["Error", "ErrorPath", "Cause", "CausePath"]),
    check: (name, state) => {
      for (const field of ["Error", "Cause"]) {
        // Without either the interpreter makes up its own words.
        oneOf(name, state, field, `${field}Path`);
        if (state[field] !== undefined && typeof state[field] !== "string") {
          throw unsupported(name, field, "must be a text");
        }
        // AWS takes an intrinsic function here too; the interpreter takes it for a path.
        if (state[`${field}Path`] !== undefined && !isPath(state[`${field}Path`])) {
          throw unsupported(name, `${field}Path`, "must be a plain path");
        }
      }
      return [];
    },
  },
};

const choiceFields = new Set(["Comment", "Variable", "StringEquals", "Next"]);
const machineFields = new Set(["Comment", "Version", "StartAt", "States", "TimeoutSeconds"]);

function oneOf(name: string, state: Fields, one: string, other: string): void {
  if ((state[one] === undefined) === (state[other] === undefined)) {
    throw unsupported(name, one, `give either it or '${other}'`);
  }
}

/** The state after `state`; none where it ends the execution. */
function successors(name: string, state: Fields): unknown[] {
  oneOf(name, state, "Next", "End");
  if (state.End !== undefined && state.End !== true) throw unsupported(name, "End", "must be true");
  return state.End === true ? [] : [state.Next];
}

/**
 * Refuses a definition that the embedded interpreter would run otherwise than Step Functions: it ignores what it does
 * not know (JSONata, `Assign`), and differs in some of what it knows.
 *
 * @throws PawlError DEFINITION_UNSUPPORTED, naming state and field.
 */
export function checkDefinition(definition: unknown): asserts definition is Definition {
  if (!isFields(definition)) throw unsupported(undefined, "StartAt", "the definition must be an object");
  checkKnown(undefined, definition, machineFields);
  const { StartAt, States, TimeoutSeconds } = definition;
  if (TimeoutSeconds !== undefined) checkSeconds(undefined, "TimeoutSeconds", TimeoutSeconds, 1);
  if (!isFields(States)) throw unsupported(undefined, "States", "must hold states");
  const exists = (name: unknown) => typeof name === "string" && Object.hasOwn(States, name);
  if (!exists(StartAt))
    throw unsupported(undefined, "StartAt", `there is no state ${JSON.stringify(StartAt)}`);

  for (const [name, state] of Object.entries(States)) {
    if (!isFields(state)) throw unsupported(name, "Type", "a state must hold fields");
    const type = state.Type;
    const rule = typeof type === "string" && Object.hasOwn(rules, type) ? rules[type] : undefined;
    if (rule === undefined) throw unsupported(name, "Type", `${JSON.stringify(type)} is not run locally`);
    checkKnown(name, state, new Set([...rule.fields, "Type", "Comment"]));
    for (const target of rule.check(name, state)) {
      if (!exists(target)) {
        throw unsupported(name, "Next", `there is no state ${JSON.stringify(target)}`);
      }
    }
  }
}
