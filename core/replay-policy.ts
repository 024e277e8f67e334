import { advanceHead, type RunHead } from "./decide.ts";
import { policyOf } from "./decisions/plan.ts";
import { advance, noProgress } from "./decisions/progress.ts";
import { reportsIn } from "./events.ts";
import { TrainingJob } from "./job.ts";
import type { JournalEntry } from "./journal-entry.ts";
import { learn } from "./learn.ts";
import type { Measured } from "./measured.ts";
import { type BatchSizePolicy, chooseBatchSize } from "./policies/batch-size/index.ts";
import { mostAtOnce } from "./policies/memory.ts";
import type { EpochReport } from "./report.ts";
import { type Progress, planInForce, type RunState } from "./run-state.ts";
import { unmeasuredEpoch } from "./unmeasured.ts";

/** A decision on a batch size, and what another policy would have decided from the same measurements. */
export interface PolicyRow {
  /** The journal entry that holds the decision, or the report that the measurements are from. */
  readonly sequence: number;
  readonly at: string;
  /** What the size is for: this epoch, from after so many of its steps on; 0 for its beginning. */
  readonly epoch: number;
  readonly step: number;
  /** What was decided; absent where it was left to the trainer. */
  readonly size?: number;
  readonly reason: string;
  readonly otherSize: number;
  readonly otherReason: string;
  /** In examples, as it was known then. */
  readonly noiseScale?: number;
  /** What the other policy expects of its choice, where that is another size than the one trained last: 1.2 is a fifth faster. */
  readonly predictedGain?: number;
}

/** Where the run's own decision came from, and what the other policy decides from. */
interface Look {
  readonly job: TrainingJob;
  readonly entry: JournalEntry;
  /** The state that the decision was made from. */
  readonly before: RunState | undefined;
  readonly epoch: number;
  readonly step: number;
  readonly own: Progress;
  readonly other: Progress;
}

function rowOf(
  { job, entry, before, epoch, step, own, other }: Look,
  policy: BatchSizePolicy,
  size?: number,
) {
  const known = before?.memory?.at(-1);
  const { most } = mostAtOnce(job.microBatchSize, known, job.memory, step === 0);
  const choose = (by: BatchSizePolicy, { batch }: Progress) =>
    chooseBatchSize(by, { epoch, learnt: batch, microBatchLimit: most });
  const ownPolicy = policyOf(job, own);
  const decided = ownPolicy && choose(ownPolicy, own);
  const choice = choose(policy, other);
  const { noiseScale = other.batch?.noiseScale, predictedGain } = choice;
  const row: PolicyRow = {
    sequence: entry.sequence,
    at: entry.at,
    epoch,
    step,
    ...(size === undefined ? {} : { size }),
    // An older version may have decided otherwise: then the words are those of the journal.
    reason:
      decided?.size === size ? (decided?.reason ?? "batch size left to the trainer") : entry.decision.reason,
    otherSize: choice.size,
    otherReason: choice.reason,
    ...(noiseScale === undefined ? {} : { noiseScale }),
    ...(predictedGain === undefined ? {} : { predictedGain }),
  };
  return row;
}

/** The run as another policy would have learnt it: the same epochs, the same measurements. */
class OtherReader {
  readonly #policy: BatchSizePolicy;
  /** What was learnt up to the end of each epoch. */
  readonly #learnt = new Map<number, Progress>();
  /** Steps of each epoch after which the journal tells of a decision. */
  readonly #told = new Map<number, number[]>();
  #head: RunHead | undefined;
  #job: { readonly sequence: number; readonly parsed: TrainingJob } | undefined;

  constructor(policy: BatchSizePolicy) {
    this.#policy = policy;
  }

  rows(entry: JournalEntry): PolicyRow[] {
    const before = this.#head?.state;
    this.#head = advanceHead(this.#head, entry.event, entry.state);
    const { sequence } = entry.state.job;
    if (this.#job?.sequence !== sequence) this.#job = { sequence, parsed: TrainingJob.parse(this.#head.job) };
    const job = this.#job.parsed;
    const rows = reportsIn(entry.event).flatMap((report) => this.#report(report, { job, entry, before }));
    return [...rows, ...this.#decided({ job, entry, before })];
  }

  #as(job: TrainingJob): TrainingJob {
    return { ...job, batchSize: this.#policy };
  }

  #at(epoch: number): Progress {
    return this.#learnt.get(epoch) ?? noProgress;
  }

  /** Learns a report; what its stretches tell of sizes that no entry decided. */
  #report(report: EpochReport, { job, entry, before }: Pick<Look, "job" | "entry" | "before">): PolicyRow[] {
    const { epoch } = report;
    const size = before?.live.map(planInForce).find((plan) => plan.epoch === epoch)?.batchSize;
    const measured = report.measured ?? unmeasuredEpoch({ batchSize: size }, report);
    const earlier = this.#at(epoch - 1);
    const isNew = !this.#learnt.has(epoch) || entry.event.type === "report";
    this.#learnt.set(epoch, advance(earlier, { ...report, measured }, this.#as(job)));
    const stretches = isNew ? (measured?.stretches ?? []) : [];
    const told = this.#told.get(epoch) ?? [];
    let step = 0;
    return stretches.slice(1).flatMap((next, index) => {
      const from = step;
      step += stretches[index]?.steps ?? 0;
      if (told.some((at) => at > from && at <= step)) return [];
      const so = {
        ...measured,
        stretches: stretches.slice(0, index + 1),
        resizes: measured?.resizes === true,
      };
      const own = before === undefined ? noProgress : upTo(before, epoch, job);
      const looks = { job, entry, before, epoch, step };
      const learnt = (progress: Progress, by: TrainingJob) => withMeasured(progress, epoch, so, by);
      return [
        rowOf(
          { ...looks, own: learnt(own, job), other: learnt(earlier, this.#as(job)) },
          this.#policy,
          next.batchSize,
        ),
      ];
    });
  }

  #decided({ job, entry, before }: Pick<Look, "job" | "entry" | "before">): PolicyRow[] {
    const { event, state, sequence } = entry;
    const [live] = state.live;
    if (live === undefined) return [];
    const look = { job, entry, before };
    if (event.type === "measured" && before !== undefined) {
      const { epoch, step, measured } = event;
      this.#told.set(epoch, [...(this.#told.get(epoch) ?? []), step]);
      const own = withMeasured(upTo(before, epoch, job), epoch, measured, job);
      const other = withMeasured(this.#at(epoch - 1), epoch, measured, this.#as(job));
      return [rowOf({ ...look, epoch, step, own, other }, this.#policy, planInForce(live).batchSize)];
    }
    const { report } = live.answers;
    const isPlanned = before?.live.every(({ number }) => number !== live.number) ?? true;
    const plan =
      event.type === "report" && report?.action === "train" && report.sequence === sequence
        ? report.plan
        : isPlanned && state.progress.partial === undefined
          ? live.firstPlan
          : undefined;
    if (plan === undefined) return [];
    const { epoch } = plan;
    const own = upTo(state, epoch, job);
    return [
      rowOf({ ...look, epoch, step: 0, own, other: this.#at(epoch - 1) }, this.#policy, plan.batchSize),
    ];
  }
}

/** What the run had learnt when `epoch` began: what is committed, and what is reported since. */
const upTo = ({ progress, live }: RunState, epoch: number, job: TrainingJob): Progress =>
  live
    .flatMap(({ pending }) => pending.map(({ report }) => report))
    .filter((report) => report.epoch < epoch)
    .reduce((sum, report) => advance(sum, report, job), progress);

function withMeasured(progress: Progress, epoch: number, measured: Measured, job: TrainingJob): Progress {
  const batch = learn(progress.batch, { epoch, measured }, job);
  return batch === undefined ? progress : { ...progress, batch };
}

/**
 * What `policy` would have decided on the batch size, wherever the run decided on it: at the beginnings of epochs and of attempts,
 * and where it changed within an epoch. It is given what the run measured, which is of the sizes that the run had. `entries`
 * are a run's, from the first on, in order.
 */
export function replayPolicy(entries: readonly JournalEntry[], policy: BatchSizePolicy): PolicyRow[] {
  const reader = new OtherReader(policy);
  return entries.flatMap((entry) => reader.rows(entry));
}
