import type { ObjectStore } from "../store/object-store.ts";
import { storeAddress } from "./store-address.ts";

/** A word as a shell takes it: quoted where it has to be. */
export const shellWord = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/**
 * What to type to do something with `run`, such as `pawl resume digits-1`. It names the store where leaving it out would
 * mean another one: a run of the same name may be there.
 */
export function nextCommand(
  verb: "resume" | "show" | "stop",
  run: string,
  { address }: Pick<ObjectStore, "address">,
): string {
  const command = `pawl ${verb} ${run}`;
  return address === storeAddress({}) ? command : `${command} --store ${shellWord(address)}`;
}
