import { type FailureClass, failureRule } from "../failure.ts";
import type { TrainingJob } from "../job.ts";
import type { RunState } from "../run-state.ts";

/** Whether a failure of this class counts against `retry.failuresWithoutProgress`; one that the job gives a budget has its own. */
export const countsIn = (job: TrainingJob, name: FailureClass): boolean =>
  failureRule(name).counts && job.retry.budgets[name] === undefined;

/** Why no other attempt may follow a failure of this class, which `failures` counts already; `undefined` where one may. */
export function exhausted(
  job: TrainingJob,
  { withoutProgress, byClass }: RunState["failures"],
  name: FailureClass,
): string | undefined {
  const own = job.retry.budgets[name] ?? failureRule(name).budget;
  const ofClass = byClass?.[name] ?? 0;
  const without = "without a committed epoch between";
  if (own !== undefined && ofClass >= own)
    return `failed ${times(ofClass)} with ${name} ${without} (retry.budgets)`;
  if (countsIn(job, name) && withoutProgress >= job.retry.failuresWithoutProgress)
    return `failed ${times(withoutProgress)} ${without} (retry.failuresWithoutProgress)`;
  return undefined;
}

const times = (count: number): string => (count === 1 ? "once" : `${count} times`);
