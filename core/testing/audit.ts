import { expect } from "vitest";
import { reachOf } from "../decisions/progress.ts";
import type { MeasuredEvent } from "../events.ts";
import { TrainingJob } from "../job.ts";
import { JournalEntry } from "../journal-entry.ts";
import { rangeOf } from "../policies/batch-size/bounds.ts";
import { isFurther, reach } from "../position.ts";
import { type LiveAttempt, planInForce, type RunState } from "../run-state.ts";
import { BudgetOracle } from "./budget-oracle.ts";
import type { Decided, ModelJournal, Reply } from "./model-journal.ts";
import { mustStay } from "./retention-oracle.ts";

/** A state's JSON is never longer than this, however many epochs there were (for jobs of few metrics and keep ≤ 10). */
export const mostStateBytes = 24 * 1024;

/** The answer that was durable when a question was first decided, and where the journal stood then. */
interface First {
  readonly reply: Reply;
  readonly changed: boolean;
}

const fail = (): never => {
  throw new Error("no attempt lives");
};

const isAnswerTo = (
  commit: { readonly epoch: number; readonly step?: number | undefined } | undefined,
  event: { readonly epoch: number; readonly step?: number | undefined },
): boolean => commit?.epoch === event.epoch && commit.step === event.step;

/** Holds every decision, and every entry, against what must be true of all histories. Throws at the first that is not. */
export class Audit {
  readonly #journal: ModelJournal;
  readonly #first = new Map<object, First>();
  #entries = 0;
  /** Failures in a row, counted here once more. */
  readonly #budgets = new BudgetOracle();

  constructor(journal: ModelJournal) {
    this.#journal = journal;
  }

  /** `question` is the same object for every copy of one message. */
  decided(question: object, decided: Decided): void {
    const { event } = decided;
    if (event.type === "open") this.#opened(decided);
    else if (event.type === "stop") this.#stop(decided);
    else if (event.type === "sweep") this.#swept(decided);
    else if (event.type === "trained" || event.type === "failed") this.#ofMachine(decided);
    else this.#ofAttempt(decided);
    const first = this.#first.get(question);
    if (first === undefined)
      this.#first.set(question, { reply: decided.decision.reply, changed: decided.decision.changed });
    else if (first.changed) this.#repeated(first, decided);
    while (this.#entries < this.#journal.entries.length) {
      this.#entry(this.#entries);
      this.#entries += 1;
    }
  }

  /** A copy of what was decided and written changes nothing, and gets the same answer while that is still the newest. */
  #repeated(first: First, { event, before, decision }: Decided): void {
    if (event.type === "open") {
      // One that waits is meant to ask again in the same words; one that was taken over from is like any that starts.
      const { driver, next } = before?.state ?? {};
      if (driver?.id !== event.driver.id || next?.action === "wait" || first.reply.action === "wait") return;
    }
    // What Sweep sees it sees anew each time.
    if (event.type === "sweep") return;
    // Asked again, a stop can become final, and nothing else.
    if (event.type === "stop" && decision.changed) {
      expect(before?.state.stop).toBeDefined();
      expect(decision.kind).toBe("stopped");
      return;
    }
    expect(decision.changed, `a repeated ${event.type} changed something`).toBe(false);
    if (before === undefined) return;
    if (event.type === "stop") {
      const { status, stop, pastStops } = before.state;
      if (
        stop === undefined &&
        pastStops?.includes(event.id) &&
        (status === "training" || status === "waiting")
      )
        expect(decision.reply.action).toBe("went-on");
      return;
    }
    if (event.type === "open" || event.type === "trained" || event.type === "failed") {
      const { next } = before.state;
      if (next.sequence === first.reply.sequence) expect(decision.reply).toEqual(first.reply);
      return;
    }
    const live = before.state.live.find(({ number }) => number === event.attempt);
    if (live === undefined) return;
    if (event.type === "commit" && !isAnswerTo(live.answers.commit, event)) {
      expect(decision.reply.action).toBe("committed");
    } else if (event.type === "measured") {
      this.#measuredAgain(live, event, first, decision.reply);
    } else if (event.type === "report" && live.answers.report?.sequence !== first.reply.sequence) {
      expect(decision.reply).toEqual(live.answers.report);
    } else {
      expect(decision.reply).toEqual(first.reply);
    }
  }

  /** What is late gets what is in force by now, or why there is nothing more to train. */
  #measuredAgain(live: LiveAttempt, { epoch }: MeasuredEvent, first: First, reply: Reply): void {
    const { report, measured } = live.answers;
    if (report?.action === "finish" || report?.action === "fail") expect(reply).toEqual(report);
    else if (measured?.answer.sequence === first.reply.sequence && planInForce(live).epoch === epoch)
      expect(reply).toEqual(first.reply);
    else expect(reply).toMatchObject({ action: "train", plan: planInForce(live) });
  }

  /** A stop is nobody's but the run's: what is trained, kept and lived is as it was. */
  #stop({ event, before, decision }: Decided): void {
    if (event.type !== "stop" || before === undefined) return;
    const { state } = before;
    const over = state.status === "finished" || state.status === "failed";
    if (over) expect(decision).toMatchObject({ changed: false, reply: { action: "over" } });
    if (state.status === "stopped")
      expect(decision).toMatchObject({ changed: false, reply: { action: "stopped", stop: state.stop } });
    if (over || state.status === "stopped" || !decision.changed) return;
    const settled = state.live.length === 0 || !event.holder.alive;
    expect(decision).toMatchObject({
      kind: settled ? "stopped" : "stop-asked",
      reply: { action: settled ? "stopped" : "stopping" },
    });
    const { sequence, stop, pastStops, ...asked } = decision.state;
    const { sequence: _sequence, stop: earlier, pastStops: _past, ...was } = state;
    expect(sequence).toBe(state.sequence + 1);
    expect(pastStops?.at(-1)).toBe(event.id);
    if (earlier !== undefined) expect(stop).toEqual(earlier);
    const { next, ending, status } = asked;
    expect(asked).toEqual(settled ? { ...was, next, ending, status } : was);
  }

  /** Sweep takes nothing from a driver that lives, and leaves a run at rest alone. */
  #swept({ event, before, decision }: Decided): void {
    if (event.type !== "sweep" || before === undefined) return;
    const { status, progress, live } = before.state;
    const underWay = status === "training" || status === "waiting";
    if (event.holder.alive || !underWay) expect(decision.changed).toBe(false);
    if (!decision.changed) return;
    expect(decision.state.live.every(({ number }) => live.some((was) => was.number === number))).toBe(true);
    expect(decision.state.nextAttempt).toBe(before.state.nextAttempt);
    expect(decision.state.progress.epoch).toBeGreaterThanOrEqual(
      live.some(({ restore }) => restore !== undefined) ? 0 : progress.epoch,
    );
  }

  #opened({ event, before, decision }: Decided): void {
    if (event.type !== "open" || before === undefined) return;
    const { state } = before;
    const same = state.driver.id === event.driver.id;
    const letIn = same || !event.holder.alive || state.successor === event.driver.execution;
    if (!letIn) {
      expect(decision).toMatchObject({ changed: false, reply: { action: "failed", error: "Pawl.RunHeld" } });
    }
  }

  #ofMachine({ event, before, decision }: Decided): void {
    if ((event.type !== "trained" && event.type !== "failed") || before === undefined) return;
    if (event.generation !== before.state.generation) {
      expect(decision).toMatchObject({ changed: false, reply: { error: "Pawl.Superseded" } });
    } else if (!before.state.live.some(({ number }) => number === event.attempt)) {
      expect(decision).toEqual({ changed: false, reply: before.state.next });
    }
  }

  /** The fence: an attempt that is not live, or a Batch job that does not hold it, changes nothing and leaves. */
  #ofAttempt({ event, before, decision }: Decided): void {
    if (!("batchJobId" in event) || before === undefined) return;
    const live = before.state.live.find(({ number }) => number === event.attempt);
    if (live === undefined) {
      expect(decision).toMatchObject({ changed: false, reply: { action: "leave" } });
    } else if (live.batchJobId !== undefined && live.batchJobId !== event.batchJobId) {
      const winner = live.batchJobId;
      expect(decision).toMatchObject({ changed: false, reply: { action: "leave", winner } });
    }
  }

  #entry(index: number): void {
    const entry = this.#journal.entries[index];
    if (entry === undefined) return;
    const { state } = entry;
    const before = this.#journal.entries[index - 1]?.state;
    expect(entry.sequence).toBe(index + 1);
    expect(state.sequence).toBe(index + 1);
    expect(JournalEntry.parse(entry)).toEqual(entry);
    expect(JSON.stringify(state).length).toBeLessThan(mostStateBytes);
    expect(state.live.length).toBeLessThanOrEqual(1);
    expect(state.generation).toBeGreaterThanOrEqual(before?.generation ?? 1);
    expect(state.generation).toBeLessThanOrEqual((before?.generation ?? 0) + 1);
    expect(state.lostSeconds).toBeGreaterThanOrEqual(before?.lostSeconds ?? 0);
    expect(state.recoveries).toBeLessThanOrEqual(state.failures.total);
    expect(state.next.sequence).toBeLessThanOrEqual(state.sequence);
    expect(state.status === "finished" || state.status === "stopped").toBe(state.next.action === "done");
    if (state.live.length === 0 && state.progress.epoch >= this.#jobAt(entry).epochs)
      expect(state.status).toBe("finished");
    expect(state.status === "failed" || state.status === "interrupted").toBe(state.next.action === "failed");
    for (const { pending } of state.live) {
      const epochs = pending.map(({ report }) => report.epoch);
      expect(epochs).toEqual(epochs.map((_, i) => state.progress.epoch + 1 + i));
    }
    this.#attempts(before, state);
    this.#batches(before, entry);
    this.#progress(before, entry);
    this.#retention(before, entry);
    this.#budget(before, entry);
    this.#rolledBack(before, entry);
    this.#endings(before, entry);
    this.#stops(before, entry);
  }

  /** Sizes are those that the job allows; what goes on from the middle of an epoch goes on as it was. */
  #batches(before: RunState | undefined, entry: JournalEntry): void {
    const { state, event, decision } = entry;
    const { batchSize: policy } = this.#jobAt(entry);
    for (const live of state.live) {
      const { batchSize, microBatchSize = 0, accumulation = 0, warmUp } = planInForce(live);
      if (batchSize === undefined || policy === undefined) continue;
      const range = "multipleOf" in policy ? rangeOf(policy) : undefined;
      expect(batchSize).toBeGreaterThanOrEqual(range?.min ?? 1);
      expect(batchSize).toBeLessThanOrEqual(range?.max ?? batchSize);
      if ("multipleOf" in policy) expect(batchSize % policy.multipleOf).toBe(0);
      expect(microBatchSize * accumulation).toBe(batchSize);
      if (warmUp !== undefined) expect(warmUp.from).toBeGreaterThan(0);
      const { partial } = state.progress;
      const isFresh = !before?.live.some(({ number }) => number === live.number);
      if (isFresh && partial?.batch !== undefined) {
        const factor = state.numeric?.learningRateFactor ?? 1;
        expect(live.firstPlan.batchSize).toBe(partial.batch.size);
        expect(live.firstPlan.learningRateScale).toBeCloseTo(partial.batch.learningRateScale * factor, 9);
      }
    }
    if (event.type === "commit" && event.checkpoint?.plan !== undefined && decision.kind === "committed")
      expect(state.progress.partial?.batch?.size).toBe(event.checkpoint.plan.batchSize);
    if (event.type !== "measured" || before === undefined) return;
    // Nothing else than the plan, and what is remembered of memory.
    const [was] = before.live;
    const [is] = state.live;
    expect(decision.kind).toBe("resized");
    expect(planInForce(is ?? fail()).batchSize).not.toBe(planInForce(was ?? fail()).batchSize);
    expect({ ...state, live: [], memory: before.memory, sequence: 0 }).toEqual({
      ...before,
      live: [],
      memory: before.memory,
      sequence: 0,
    });
  }

  /** Numbers are given once, in order; what the machine is told to train is what lives. */
  #attempts(before: RunState | undefined, state: RunState): void {
    const expected = before?.nextAttempt ?? 1;
    const fresh = state.live.filter(({ number }) => !before?.live.some((live) => live.number === number));
    expect(fresh.map(({ number }) => number)).toEqual(state.nextAttempt === expected ? [] : [expected]);
    expect(state.nextAttempt).toBe(expected + fresh.length);
    if (state.next.action === "train") {
      expect(state.live.map(({ number }) => number)).toEqual([state.next.train.attempt]);
    } else if (
      state.next.action !== "wait" &&
      state.next.action !== "continue" &&
      state.status !== "stopped"
    ) {
      expect(state.live).toEqual([]);
    }
  }

  /** Epochs are committed one after the other; only a damaged checkpoint, a loss that is no number, or a new order goes back. */
  #progress(before: RunState | undefined, { state, event }: JournalEntry): void {
    const from = before?.progress.epoch ?? 0;
    const { epoch, examples, trainedSeconds, partial } = state.progress;
    const reordered =
      event.type === "open" && event.acceptChanges && before?.progress.partial !== undefined && !partial;
    if (before !== undefined && !reordered && isFurther(reachOf(before.progress), reachOf(state.progress))) {
      const { class: failed, action } = state.failures.recent.at(-1) ?? {};
      expect(failed === "numeric" ? action : failed).toBe(
        failed === "numeric" ? "roll-back" : "checkpoint-corrupt",
      );
      expect(state.failures.total).toBe(before.failures.total + 1);
    }
    const newest = state.kept.at(-1);
    if (newest !== undefined) expect(reach(newest)).toEqual(reachOf(state.progress));
    expect(partial?.seconds).toBe(partial?.step);
    const recent = state.recent.map(({ report }) => report.epoch);
    expect(recent).toEqual(recent.map((_, i) => epoch - recent.length + 1 + i));
    for (const fresh of state.recent.filter(({ report }) => report.epoch > from)) {
      if (event.type === "commit") expect(fresh.attempt).toBe(event.attempt);
      expect(before?.live.map(({ number }) => number)).toEqual([fresh.attempt]);
    }
    // Every report says 100 examples in 10 seconds: each epoch is in there once.
    expect({ examples, trainedSeconds }).toEqual({ examples: 100 * epoch, trainedSeconds: 10 * epoch });
  }

  #retention(before: RunState | undefined, entry: JournalEntry): void {
    const { state } = entry;
    const job = this.#jobAt(entry);
    const kept = state.kept.map(({ name }) => name);
    expect(state.dropped.filter((name) => kept.includes(name))).toEqual([]);
    if (job.checkpoint.policy === "none") {
      expect(kept).toEqual([]);
      return;
    }
    if (state.kept.length === 0) expect(reachOf(state.progress)).toEqual({ epoch: 0, step: 0 });
    if (state.job.sequence === state.sequence) return;
    const old = before?.kept ?? [];
    // An attempt that had trained all that was asked for has not failed, whatever it says.
    const settled = state.failures.total > (before?.failures.total ?? 0);
    const evidence = settled && "evidence" in entry.event ? [entry.event.evidence].flat() : [];
    // One that was killed after it found damage counts as killed: the next one finds it again.
    const damaged = evidence
      .filter((each) => each.class === "checkpoint-corrupt")
      .map((each) => each.damaged);
    const gone = old
      .filter((each) => isFurther(reach(each), reachOf(state.progress)) || damaged.includes(each.name))
      .map(({ name }) => name);
    const fresh = state.kept.filter(({ name }) => !old.some((checkpoint) => checkpoint.name === name));
    const candidates = [...old, ...fresh].filter(({ name }) => !gone.includes(name));
    // Adopted and gone back from at once: retention had looked at what is not there any more.
    const rolledBack =
      entry.decision.reason.includes("adopted its checkpoint") &&
      state.failures.recent.at(-1)?.action === "roll-back";
    if (rolledBack) expect(candidates.map(({ name }) => name)).toEqual(expect.arrayContaining(kept));
    else if (fresh.length > 0)
      expect(kept.toSorted()).toEqual(mustStay(job.checkpoint, candidates).toSorted());
    else expect(kept).toEqual(candidates.map(({ name }) => name));
    const reached = state.kept.map(reach);
    expect(reached.every((each, index) => index === 0 || isFurther(each, reached[index - 1] ?? each))).toBe(
      true,
    );
  }

  /** Counts the failures anew: a commit, or somebody who starts the run again, makes the budget full. */
  #budget(before: RunState | undefined, entry: JournalEntry): void {
    const { state, event, decision } = entry;
    const newDriver = before !== undefined && state.generation > before.generation;
    const byHand = newDriver && event.type === "open" && before.successor !== event.driver.execution;
    if (byHand) {
      this.#budgets.refill();
      this.#budgets.beginAgain();
    }
    if (event.type === "commit") this.#budgets.refill();
    if (before === undefined || state.failures.total === before.failures.total) {
      if (decision.kind !== "swept") expect(decision.kind).not.toBe("gave-up");
    } else {
      expect(state.failures.total).toBe(before.failures.total + 1);
      const [failure] = "evidence" in event ? [event.evidence].flat() : [];
      if (failure === undefined) return;
      const live = before.live.find(({ number }) => number === failure.attempt);
      const stopping = !newDriver && before.stop !== undefined;
      const failed = stopping && live?.batchJobId === undefined ? "interrupted" : failure.class;
      expect(state.failures.recent.at(-1)?.class).toBe(failed);
      // What was adopted and then gone back from is in the state no more.
      const adopted = decision.reason.includes("adopted its checkpoint");
      const further = isFurther(reachOf(state.progress), reachOf(before.progress));
      if (adopted || further) this.#budgets.refill();
      const isOver = state.stop !== undefined || state.status === "finished";
      const noted = byHand || event.type === "sweep" || isOver;
      const hopeless = this.#budgets.fail(this.#jobAt(entry), { before, live, name: failed, noted });
      const nothingLeft = failed === "checkpoint-corrupt" && state.kept.length === 0;
      const over = nothingLeft || (!stopping && hopeless);
      if (!newDriver && event.type !== "sweep" && state.status !== "finished")
        expect(decision.kind === "gave-up", `gave up after ${failed}: ${decision.reason}`).toBe(over);
    }
    expect(state.failures.withoutProgress).toBe(this.#budgets.withoutProgress);
  }

  /** A growth is taken back, and not made again; the learning rate is lowered without one, and the second time. */
  #rolledBack(before: RunState | undefined, entry: JournalEntry): void {
    const { state, decision } = entry;
    if (before === undefined || state.failures.total === before.failures.total) return;
    if (state.failures.recent.at(-1)?.action !== "roll-back" || state.stop !== undefined) return;
    const was = before.numeric?.learningRateFactor ?? 1;
    const now = state.numeric?.learningRateFactor;
    const [, to] = / batch size (\d+) for \d+ is taken back,/.exec(decision.reason) ?? [];
    const stays = to !== undefined && state.numeric?.times === 1;
    expect(now).toBeCloseTo(stays ? was : was * this.#jobAt(entry).numeric.learningRateFactor, 12);
    if (to === undefined) return;
    expect(state.progress.batch?.barred).toContainEqual(
      expect.objectContaining({ direction: "up", size: Number(to) }),
    );
    for (const { firstPlan } of state.live) expect(firstPlan.batchSize ?? 0).toBeLessThan(Number(to));
  }

  /** A run that is to stop, or is stopped, starts nothing until somebody starts it anew. */
  #stops(before: RunState | undefined, { state, event }: JournalEntry): void {
    if (state.status === "stopped") expect(state.stop).toBeDefined();
    if (state.status === "finished" || state.status === "failed") expect(state.stop).toBeUndefined();
    if (before?.stop === undefined) return;
    const anew = event.type === "open" && state.generation > before.generation;
    const handedOver = anew && event.driver.execution === before.successor;
    if (anew && !handedOver) {
      expect(state.stop).toBeUndefined();
      return;
    }
    expect(state.nextAttempt).toBe(before.nextAttempt);
    if (!handedOver) {
      expect(state.successor).toBe(before.successor);
      expect(state.generation).toBe(before.generation);
    }
    if (before.status === "stopped") expect(state.status).toBe("stopped");
    if (state.status !== "finished" && state.status !== "failed") expect(state.stop).toEqual(before.stop);
  }

  /** What is finished stays finished, unless somebody accepts a job that asks for more. */
  #endings(before: RunState | undefined, entry: JournalEntry): void {
    if (before?.status !== "finished") return;
    expect(entry.decision.kind).toBe("resumed");
    expect(entry.event).toMatchObject({ type: "open", acceptChanges: true });
    expect(this.#jobAt(entry).epochs).toBeGreaterThan(before.progress.epoch);
  }

  #jobAt({ state }: JournalEntry): TrainingJob {
    const event = this.#journal.entries[state.job.sequence - 1]?.event;
    if (event?.type !== "open") throw new Error(`entry ${state.job.sequence} holds no job`);
    return TrainingJob.parse(event.job);
  }
}
