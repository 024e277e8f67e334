import { PawlError } from "../core/errors.ts";
import type { OptionValues } from "./commands.ts";
import type { Stack } from "./stack.ts";

/** The stack that is meant, where one is: by --stack, else by PAWL_STACK where nothing names a store. Throws USAGE. */
export function stackName(options: OptionValues): string | undefined {
  const { stack, store } = options;
  if (typeof stack === "string") {
    if (store === undefined) return stack;
    throw new PawlError("USAGE", "--stack and --store name two places", {
      next: "Give one: --stack NAME for a deployed stack, --store for a folder or a bucket.",
      details: { stack, store },
    });
  }
  const fromEnvironment = process.env.PAWL_STACK;
  if (store !== undefined || !fromEnvironment) return undefined;
  if (!process.env.PAWL_STORE) return fromEnvironment;
  throw new PawlError("USAGE", "PAWL_STACK and PAWL_STORE name two places", {
    next: "Unset one of them, or give --stack or --store.",
    details: { stack: fromEnvironment, store: process.env.PAWL_STORE },
  });
}

/** By the address of their store; for the words of what to type next. */
const found = new Map<string, Stack>();

/** The stack whose runs live at `address`, where this process has found one there. */
export const stackOfStore = (address: string): Stack | undefined => found.get(address);

/** Finds the stack `name`. Errors: those of `findStack`. */
export async function openStack(name: string): Promise<Stack> {
  // The SDK is loaded only here: a folder never waits for it.
  const { findStack } = await import("./stack.ts");
  const stack = await findStack(name);
  found.set(stack.store, stack);
  return stack;
}

/** `options` with the store of the stack that they name, where they name one, and that stack. */
export async function withStack(
  options: OptionValues,
): Promise<{ options: OptionValues; stack: Stack | undefined }> {
  const name = stackName(options);
  if (name === undefined) return { options, stack: undefined };
  const stack = await openStack(name);
  return { options: { ...options, store: stack.store, stack: undefined }, stack };
}
