import * as z from "zod";

/** What is known of a request beside who, what and where: condition keys with their values; what is absent is not there. */
export type Context = Readonly<Record<string, string>>;

export const Conditions = z.record(z.string(), z.record(z.string(), z.unknown()));
export type Conditions = z.infer<typeof Conditions>;

type Test = (actual: string | undefined, wanted: readonly string[]) => boolean;

/** `*` and `?` of a policy, over the whole text. */
export function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, "\\$&")
    .replaceAll("*", "[\\s\\S]*")
    .replaceAll("?", "[\\s\\S]");
  return new RegExp(`^${source}$`).test(text);
}

const numbers =
  (holds: (actual: number, wanted: number) => boolean): Test =>
  (actual, wanted) =>
    actual !== undefined && wanted.some((one) => holds(Number(actual), Number(one)));

/** The operators that the templates use, as IAM defines them: an absent key fulfils none but `Null` and what negates. */
const operators: Readonly<Record<string, Test>> = {
  StringEquals: (actual, wanted) => actual !== undefined && wanted.includes(actual),
  StringNotEquals: (actual, wanted) => actual === undefined || !wanted.includes(actual),
  StringLike: (actual, wanted) => actual !== undefined && wanted.some((one) => matches(one, actual)),
  StringNotLike: (actual, wanted) => actual === undefined || !wanted.some((one) => matches(one, actual)),
  ArnLike: (actual, wanted) => actual !== undefined && wanted.some((one) => matches(one, actual)),
  ArnEquals: (actual, wanted) => actual !== undefined && wanted.some((one) => matches(one, actual)),
  Bool: (actual, wanted) => actual !== undefined && wanted.includes(actual.toLowerCase()),
  Null: (actual, wanted) => wanted.includes(String(actual === undefined)),
  NumericLessThan: numbers((actual, wanted) => actual < wanted),
};

/** Whether all of a statement's conditions hold. Throws RangeError for an operator that is not known here. */
export function conditionsHold(
  conditions: Conditions | undefined,
  context: Context,
  text: (value: unknown) => string,
): boolean {
  return Object.entries(conditions ?? {}).every(([operator, keys]) => {
    const test = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
    if (test === undefined) throw new RangeError(`the condition operator ${operator} is not known here`);
    return Object.entries(keys).every(([key, wanted]) => {
      const values = (Array.isArray(wanted) ? wanted : [wanted]).map(text);
      return test(contextValue(context, key), values);
    });
  });
}

/** Condition keys are the same in any case. */
const contextValue = (context: Context, key: string): string | undefined =>
  Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
