import type { ObjectStore } from "../store/object-store.ts";
import { stackOfStore } from "./stack-option.ts";
import { storeAddress } from "./store-address.ts";

/** A word as a shell takes it: quoted where it has to be. */
export const shellWord = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/**
 * What to type to do something with `run`, such as `pawl resume digits-1`. It names the stack or the store where leaving it out
 * would mean another one: a run of the same name may be there.
 */
export function nextCommand(
  verb: "resume" | "show" | "stop" | "watch",
  run: string,
  { address }: Pick<ObjectStore, "address">,
): string {
  const command = `pawl ${verb} ${run}`;
  const { PAWL_STACK: usual, PAWL_STORE: usualStore } = process.env;
  const stack = stackOfStore(address)?.stackName;
  if (stack !== undefined) return stack === usual && !usualStore ? command : `${command} --stack ${stack}`;
  return address === storeAddress({}) && !usual ? command : `${command} --store ${shellWord(address)}`;
}
