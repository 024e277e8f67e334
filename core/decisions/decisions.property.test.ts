import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../job.ts";
import { DecisionKind } from "../journal-entry.ts";
import { aJob } from "../testing/events.ts";
import { expectOneHistory, expectReplayable } from "../testing/replay.ts";
import { World } from "../testing/world.ts";

const best = fc.record({
  metric: fc.constant("loss"),
  mode: fc.constantFrom("min" as const, "max" as const),
});

const jobs: fc.Arbitrary<TrainingJobInput> = fc
  .record({
    epochs: fc.integer({ min: 1, max: 8 }),
    segment: fc.constantFrom("auto" as const, 1, 2, 3),
    batchSize: fc.constantFrom<NonNullable<TrainingJobInput["batchSize"]>>(
      ...[1, 7, 8, 12],
      { start: 8, max: 64 },
      { policy: "noise-scale", start: 8, max: 512, growth: 4 },
      { policy: "goodput", start: 12, min: 4, max: 96, multipleOf: 4 },
    ),
    microBatchSize: fc.constantFrom<TrainingJobInput["microBatchSize"]>(undefined, "auto", 1),
    learningRate: fc.constantFrom<NonNullable<TrainingJobInput["learningRate"]>>(
      {},
      { scaling: "adascale", referenceBatchSize: 8, warmUp: 20 },
    ),
    numeric: fc.record({ back: fc.integer({ min: 0, max: 2 }), times: fc.integer({ min: 1, max: 3 }) }),
    compute: fc.record({
      market: fc.constantFrom("spot-first" as const, "spot" as const, "on-demand" as const),
    }),
    checkpoint: fc.oneof(
      { weight: 1, arbitrary: fc.constant("none" as const) },
      {
        weight: 5,
        arbitrary: fc.record({ keep: fc.integer({ min: 1, max: 3 }), best }, { requiredKeys: ["keep"] }),
      },
    ),
    retry: fc.record({ failuresWithoutProgress: fc.integer({ min: 1, max: 4 }) }),
  })
  .map(aJob);

interface Case {
  readonly job: TrainingJobInput;
  readonly turns: number;
  /** What happens, step by step: each number is one of all the things that can happen then. */
  readonly choices: readonly number[];
  /** What happens after that, when nothing goes wrong any more. */
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  job: jobs,
  turns: fc.constantFrom(2, 3, 1000),
  choices: fc.array(fc.nat(), { minLength: 20, maxLength: 150, size: "max" }),
  seed: fc.nat(),
});

/** Plays a case and then `check`s it; every step is audited, and a failure tells what had happened. */
const playing =
  (check: (world: World, given: Case) => void) =>
  (given: Case): void => {
    const world = new World(given.job, given.turns);
    try {
      for (const choice of given.choices) world.step(choice);
      check(world, given);
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause);
      throw new Error([words, ...world.log.slice(-60)].join("\n"), { cause });
    }
  };

describe("whatever is lost, repeated, late, killed or believed dead", { timeout: 300_000 }, () => {
  it("the journal tells one history, and decides the same again when it is replayed", () => {
    const check = playing(({ journal }) => {
      expectReplayable(journal.entries, journal.limits);
      expectOneHistory(journal.entries);
    });
    fc.assert(fc.property(cases, check), { numRuns: 250 });
  });

  it("the run is finished once nothing goes wrong any more, and stays so", () => {
    const check = playing((world, { seed, job }) => {
      // What is late can be somebody who accepts a longer job; then there is something to finish again.
      do {
        world.finishFairly(seed);
        world.settleDown(seed);
      } while (!world.finished);
      const { entries, head } = world.journal;
      // More than it asks for where somebody made it ask for less.
      expect(head?.state.progress.epoch).toBeGreaterThanOrEqual(head?.job.epochs ?? Number.POSITIVE_INFINITY);
      expectOneHistory(entries);
      const atEnd = entries.length;
      world.startByHand({ job });
      world.startByHand({});
      world.startByHand({ job: { ...job, epochs: 1 }, acceptChanges: true });
      world.settleDown(seed);
      expect(entries.length).toBe(atEnd);
      expectReplayable(entries, world.journal.limits);
    });
    fc.assert(fc.property(cases, check), { numRuns: 250 });
  });

  it("a stop brings the run to rest, nothing of it is lost, and it goes on to its end when it is started again", () => {
    const check = playing((world, { seed }) => {
      const { journal } = world;
      if (journal.head === undefined) return;
      // What is late can be somebody who starts it again; whoever stops it then has the last word.
      for (let round = 0; round < 2; round += 1) {
        world.stopByHand();
        world.settleDown(seed);
      }
      expect(["stopped", "over"]).toContain(world.people.at(-1)?.answer?.action);
      expect(["stopped", "finished", "failed"]).toContain(journal.head.state.status);
      const atRest = journal.head.state;
      world.finishFairly(seed);
      expectOneHistory(journal.entries);
      expectReplayable(journal.entries, journal.limits);
      const { head } = journal;
      expect(head.state.progress.epoch).toBeGreaterThanOrEqual(atRest.progress.epoch);
    });
    fc.assert(fc.property(cases, check), { numRuns: 250 });
  });

  it("and all of that happens in such cases", () => {
    const told: string[] = [];
    const tell = playing(({ journal }) => {
      for (const { decision } of journal.entries) told.push(`${decision.kind}: ${decision.reason}`);
    });
    for (const given of fc.sample(cases, { numRuns: 150, seed: 1 })) tell(given);
    const kinds = new Set(told.map((each) => each.split(":")[0]));
    expect(DecisionKind.options.filter((kind) => !kinds.has(kind))).toEqual([]);
    const expected = [
      "adopted its checkpoint",
      "is damaged, going back to epoch",
      "was submitted twice",
      "has not ended yet",
      "handed over",
      "accepted epochs",
      "resumed after it was failed",
      "resumed after it was finished",
      "epochs 1 to 2 are committed",
      "without progress",
      "stopped by",
      "; nobody trains it",
      "with no attempt under way",
      "it had not begun; stopped by",
      "resumed after it was stopped by",
      "up to step",
      "is damaged, going back to epoch 1, step",
      "learning rate × 0.5 from now on (1 of",
      "is taken back, the learning rate stays (1 of",
      "it does not count",
      "micro-batches of 4 instead of 8",
      " goes on after step ",
      ", as at step ",
      " held: ",
      ", over 20 steps",
      "on demand, after ",
      "resumed after it was interrupted",
    ];
    expect(expected.filter((words) => !told.some((each) => each.includes(words)))).toEqual([]);
  });
});
