import { resolve } from "node:path";
import { PawlError } from "../core/errors.ts";
import type { OptionValues } from "./commands.ts";

const hasScheme = (address: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(address);

/** Where runs live by default that are trained from `folder`. */
export const storeIn = (folder: string): string => resolve(folder, ".pawl");

/** Whether nothing says which store is meant. */
export const isDefaultStore = ({ store }: OptionValues): boolean =>
  store === undefined && !process.env.PAWL_STORE;

/** The store's address as it was given, or where runs live by default. */
export function storeAddress(options: OptionValues): string {
  const given = options.store ?? (process.env.PAWL_STORE || ".pawl");
  const address = typeof given === "string" ? given : "";
  // As from `--store "$STORE"` with nothing in STORE: what was meant is not the default.
  if (address === "") {
    throw new PawlError("STORE_ADDRESS", `--store "": the store's address is empty`, {
      next: "Name a folder or s3://bucket/prefix, or leave --store out.",
      details: { address },
    });
  }
  return hasScheme(address) ? address : resolve(address);
}
