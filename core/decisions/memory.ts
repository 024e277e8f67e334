import type { TrainingJob } from "../job.ts";
import { type Measured, ownMachine } from "../measured.ts";
import {
  type Fitted,
  memoryOf,
  missingParts,
  splitAsWanted,
  splitBatch,
  withFitted,
} from "../policies/memory.ts";
import type { EpochPlan } from "../report.ts";
import { type LiveAttempt, planInForce, type RunState } from "../run-state.ts";

/** The type of machine by which memory is remembered; one of one's own is `local`. */
export const machineOf = ({ instance }: Pick<LiveAttempt, "instance">): string =>
  instance?.type ?? ownMachine;

/** The machine that an attempt is planned for which has none yet: of the type that trained last. */
export const likelyMachine = ({ memory }: Pick<RunState, "memory">): string =>
  memory?.at(-1)?.machine ?? ownMachine;

/** How many examples go through the model at once on `machine`, in the largest equal parts that the job and memory allow. */
export function splitFor(
  job: TrainingJob,
  { memory }: Pick<RunState, "memory">,
  { batchSize, machine, grows }: { batchSize: number; machine: string; grows: boolean },
) {
  const known = memoryOf(memory, machine);
  const { most, why, ...split } = splitAsWanted(batchSize, job.microBatchSize, known, job.memory, grows);
  const before = known?.fits === undefined ? undefined : splitBatch(batchSize, known.fits).microBatchSize;
  const { microBatchSize } = split;
  if (why !== undefined && before !== undefined && microBatchSize > before) {
    const leap = microBatchSize > (most ?? batchSize) ? `, and ${batchSize} have no equal parts between` : "";
    return { ...split, note: `micro-batches of ${microBatchSize} instead of ${before}: ${why}${leap}` };
  }
  const missing = missingParts(batchSize, microBatchSize, most);
  return { ...split, note: missing && `since ${batchSize} have no ${missing}` };
}

/** `plan`, which was made before its machine was known, for a machine of that type. */
export function planOn(
  job: TrainingJob,
  state: Pick<RunState, "memory" | "progress">,
  plan: EpochPlan,
  machine: string,
): EpochPlan {
  const { batchSize } = plan;
  if (batchSize === undefined) return plan;
  const grows = state.progress.partial === undefined;
  const { microBatchSize, accumulation } = splitFor(job, state, { batchSize, machine, grows });
  return { ...plan, microBatchSize, accumulation };
}

/**
 * `state` with what an attempt trained remembered as fitting into memory: by what was measured on its type of machine; without that by
 * what it was told to train, where the job wants to know the most that fits.
 */
export function withTrained(
  state: RunState,
  attempt: LiveAttempt,
  { epoch, measured }: { readonly epoch: number; readonly measured?: Measured | undefined },
  job: TrainingJob,
): RunState {
  const plan = planInForce(attempt);
  const told: Fitted[] =
    job.microBatchSize === "auto" && plan.epoch === epoch && plan.microBatchSize !== undefined
      ? [{ microBatchSize: plan.microBatchSize }]
      : [];
  const machine = machineOf(attempt);
  // An epoch that went on from a checkpoint has stretches of the machine before, which may have more memory.
  const here = measured?.stretches.filter(
    (stretch) => (stretch.machine ?? measured.machine ?? machine) === machine,
  );
  // A plan's micro-batch, and so a wall, is of all workers together; a stretch has what each of them took at once.
  const trained: readonly Fitted[] =
    here?.map(({ microBatchSize, workers, memory }) => ({
      microBatchSize: microBatchSize * workers,
      memory,
    })) ?? told;
  const memory = trained.reduce((learnt, each) => withFitted(learnt, machine, each), state.memory);
  return memory === undefined || memory === state.memory ? state : { ...state, memory };
}
