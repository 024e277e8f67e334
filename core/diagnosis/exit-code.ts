import type { FailureClass } from "../failure.ts";
import type { Confidence } from "../sign.ts";

/** Signals by which native code dies of itself: ILL, TRAP, ABRT, BUS, FPE, SEGV. */
const crashes = new Set([4, 5, 6, 7, 8, 11]);

export const isCrash = (exitCode: number): boolean => crashes.has(exitCode - 128) || crashes.has(-exitCode);

/** What an exit code alone can mean, and what it says in words. Codes of one program mean nothing for another. */
export function classOfCode(exitCode: number): { class: FailureClass; confidence: Confidence; says: string } {
  const signal = exitCode > 128 && exitCode < 160 ? ` (killed by signal ${exitCode - 128})` : "";
  const says = `exit code ${exitCode}${signal}`;
  const known = (name: FailureClass, confidence: Confidence) => ({ class: name, confidence, says });
  if (isCrash(exitCode)) return known("segfault/native-crash", "medium");
  // 126: found, but not executable; 127: not found.
  if (exitCode === 126 || exitCode === 127) return known("image-or-command-error", "medium");
  // Of the ways to die of SIGKILL that leave no reason, the kernel short of memory is the most frequent.
  if (exitCode === 137) return known("container-oom", "low");
  if (exitCode === 143) return known("spot-reclaim", "low");
  if (exitCode === 0 || signal !== "") return known("unknown", "low");
  return known("user-exception", "low");
}
