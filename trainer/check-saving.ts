import type { Saving } from "./epoch.ts";
import { TrainerError } from "./error.ts";

const longestFramework = 100;

/** Throws TrainerError where `saving` is none. */
export function checkSaving({ save, framework }: Saving): void {
  if (save !== undefined && typeof save !== "function") {
    throw new TrainerError("MISUSE", `save must be a function, not ${typeof save}.`, {
      next: "Give one that takes the folder to save into: (folder) => { … }.",
    });
  }
  if (framework !== undefined && framework.length > longestFramework) {
    throw new TrainerError("MISUSE", `framework must be at most ${longestFramework} characters.`);
  }
}
