import type { BatchChange } from "./batch-progress.ts";
import { reportsIn } from "./events.ts";
import { FailureClass, type RecoveryAction } from "./failure.ts";
import type { JournalEntry } from "./journal-entry.ts";
import { type CommittedEpoch, planInForce, type RunState } from "./run-state.ts";
import type { Confidence, Sign } from "./sign.ts";

export interface EpochHistory extends CommittedEpoch {
  readonly committedAt: string;
  /** The last in force, where it changed within the epoch. */
  readonly batchSize: number | undefined;
}

export interface AttemptHistory {
  readonly attempt: number;
  readonly submittedAt: string;
  readonly batchJobId: string | undefined;
  /** Absent while it lives. */
  readonly endedAt?: string;
  /** `done`, or what went wrong. */
  readonly result?: string;
  readonly message?: string;
  readonly epochs: number[];
}

/** An attempt that failed: what it was, by which signs, what was decided, and why. */
export interface FailureHistory {
  readonly attempt: number;
  /** The epoch that it was in. */
  readonly epoch: number | undefined;
  readonly at: string;
  readonly class: FailureClass;
  readonly confidence: Confidence | undefined;
  readonly message: string;
  readonly evidence: readonly Sign[];
  readonly lostSeconds: number;
  /** Absent where a new driver settled it: the attempt that follows is the driver's own beginning. */
  readonly action: RecoveryAction | undefined;
  readonly reason: string;
  /** The journal entry that decided. */
  readonly sequence: number;
}

export interface DecisionHistory {
  readonly sequence: number;
  readonly at: string;
  readonly kind: string;
  readonly reason: string;
}

export interface RunHistory {
  readonly state: RunState;
  readonly epochs: EpochHistory[];
  readonly attempts: AttemptHistory[];
  readonly failures: FailureHistory[];
  readonly decisions: DecisionHistory[];
  /** Of the batch size, by their numbers, each with its newest outcome; without those that the run went back from. */
  readonly changes: BatchChange[];
}

/** A run's journal, read as a story: its epochs, its attempts, and each decision with its reason. */
export class HistoryReader {
  #state: RunState | undefined;
  #epochs: EpochHistory[] = [];
  readonly #attempts = new Map<number, AttemptHistory>();
  readonly #failures: FailureHistory[] = [];
  readonly #decisions: DecisionHistory[] = [];
  readonly #batchSizes = new Map<number, number | undefined>();
  readonly #changes = new Map<number, BatchChange>();

  /** Takes the next entry, in order. */
  add(entry: JournalEntry): void {
    const before = this.#state?.progress.epoch ?? 0;
    const { state, event, at, sequence, decision } = entry;
    if (state.progress.epoch < before) {
      this.#epochs = this.#epochs.filter((epoch) => epoch.report.epoch <= state.progress.epoch);
    }
    this.#plans(entry);
    for (const { epoch, measured } of reportsIn(event)) {
      const last = measured?.stretches.at(-1);
      if (last !== undefined) this.#batchSizes.set(epoch, last.batchSize);
    }
    this.#changed(state);
    for (const epoch of state.recent) {
      if (epoch.report.epoch <= Math.min(before, state.progress.epoch)) continue;
      this.#epochs.push({ ...epoch, committedAt: at, batchSize: this.#batchSizes.get(epoch.report.epoch) });
      this.#attempts.get(epoch.attempt)?.epochs.push(epoch.report.epoch);
    }
    this.#endings(entry);
    this.#decisions.push({ sequence, at, ...decision });
    this.#state = state;
  }

  /** The story so far; `undefined` before the first entry. */
  history(): RunHistory | undefined {
    if (this.#state === undefined) return undefined;
    return {
      state: this.#state,
      epochs: this.#epochs,
      attempts: [...this.#attempts.values()],
      failures: this.#failures,
      decisions: this.#decisions,
      changes: [...this.#changes.values()].toSorted((a, b) => a.number - b.number),
    };
  }

  #changed({ progress: { batch } }: RunState): void {
    for (const number of this.#changes.keys())
      if (number > (batch?.changeCount ?? 0)) this.#changes.delete(number);
    for (const change of batch?.changes ?? []) this.#changes.set(change.number, change);
  }

  #fail({ event, decision, sequence }: JournalEntry, record: RunState["failures"]["recent"][number]): void {
    const { attempt, epoch, at, class: name, confidence, message, lostSeconds, action, signs = [] } = record;
    const told =
      "evidence" in event ? [event.evidence].flat().find((each) => each.attempt === attempt) : undefined;
    const { reason } = decision;
    const evidence = told?.class === name ? (told.signs ?? signs) : signs;
    this.#failures.push({
      ...{ attempt, epoch, at, class: name, confidence, message, evidence },
      ...{ lostSeconds, action, reason, sequence },
    });
  }

  #plans({ state }: JournalEntry): void {
    for (const live of state.live) {
      const known = this.#attempts.get(live.number);
      this.#attempts.set(live.number, {
        attempt: live.number,
        submittedAt: live.submittedAt,
        batchJobId: live.batchJobId,
        epochs: known?.epochs ?? [],
      });
      // Afterwards there is none in force, and the first one is not it.
      if (live.answers.report !== undefined && live.answers.report.action !== "train") continue;
      const plan = planInForce(live);
      this.#batchSizes.set(plan.epoch, plan.batchSize);
    }
  }

  #endings(entry: JournalEntry): void {
    const { state, event, at } = entry;
    const stillLive = new Set(state.live.map((live) => live.number));
    for (const was of this.#state?.live ?? []) {
      const attempt = this.#attempts.get(was.number);
      if (attempt === undefined || stillLive.has(was.number)) continue;
      const failure = state.failures.recent.findLast((record) => record.attempt === was.number);
      if (failure !== undefined) this.#fail(entry, failure);
      this.#attempts.set(was.number, {
        ...attempt,
        endedAt: at,
        result: failure?.class ?? "done",
        ...(failure === undefined ? {} : { message: failure.message }),
      });
    }
    if (event.type === "ended" && FailureClass.safeParse(event.outcome.result).success) {
      const attempt = this.#attempts.get(event.attempt);
      if (attempt !== undefined)
        this.#attempts.set(event.attempt, { ...attempt, message: event.outcome.message });
    }
  }
}
