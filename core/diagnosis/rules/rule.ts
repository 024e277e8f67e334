import type { FailureClass } from "../../failure.ts";
import type { Confidence } from "../../sign.ts";

/**
 * How near to the cause a line is: `root` breaks everything else; `cause` says what broke; `crash` ends a process by itself, often
 * in the end of another cause; `symptom` is what others see of it, or what is told of it
 * later; `hint` may be something else's. A hint counts for less than an error of the trainer's own, which says no class; a
 * `guess`, which knows no more than what an error is about, for less than all.
 */
export type Weight = "root" | "cause" | "crash" | "symptom" | "echo" | "hint" | "guess";

/** What lines of a log say that have any of `forms`. */
export interface LogRule {
  readonly class: FailureClass;
  readonly weight: Weight;
  readonly confidence?: Confidence;
  readonly forms: readonly RegExp[];
}
