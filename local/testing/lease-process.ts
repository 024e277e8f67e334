// Takes the lease of a run when its first line comes, says how that went, and gives it back at the next one.
import { createInterface } from "node:readline";
import { PawlError } from "../../core/errors.ts";
import { openFolderStore } from "../../store/folder.ts";
import { type HeldLease, takeLease } from "../lease.ts";

const [folder = "", run = ""] = process.argv.slice(2);
const store = await openFolderStore(folder);
let lease: HeldLease | undefined;
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  if (lease !== undefined) {
    await lease.release();
    lease = undefined;
    console.log("released");
    continue;
  }
  try {
    lease = await takeLease(store, run);
    console.log("taken");
  } catch (error) {
    console.log(error instanceof PawlError ? `${error.code} ${error.message}` : error);
  }
}
