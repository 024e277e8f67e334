import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginsFrom,
  type FoundCheckpoint,
  isAdoptable,
  neededCheckpoints,
  parseCheckpointName,
  planPrune,
  prunableCheckpoints,
  type RunSurvey,
} from "./prune.ts";
import type { RunState } from "./run-state.ts";
import { type RestingState, restingStates } from "./standing.ts";
import { aJob, opens } from "./testing/events.ts";
import { ModelJournal } from "./testing/model-journal.ts";
import { World } from "./testing/world.ts";

function begun(): RunState {
  const journal = new ModelJournal();
  journal.submit(opens("a", { job: aJob() }));
  if (journal.head === undefined) throw new Error("the run has not begun");
  return journal.head.state;
}

const name = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }))
  .map(([epoch, attempt]) => `${epoch}-${attempt}`);
const names = fc.uniqueArray(name, { maxLength: 6 });

const found: fc.Arbitrary<FoundCheckpoint[]> = fc.uniqueArray(
  fc.record({
    name: fc.oneof(
      { weight: 9, arbitrary: name },
      { weight: 1, arbitrary: fc.constantFrom("mine", "3-", "a-1") },
    ),
    complete: fc.boolean(),
    refersTo: names,
    objects: fc.integer({ min: 1, max: 9 }),
    sizeBytes: fc.nat(1000),
  }),
  { selector: (checkpoint) => checkpoint.name, maxLength: 16 },
);

const states: fc.Arbitrary<RunState> = fc
  .record({
    epoch: fc.nat(6),
    kept: fc.uniqueArray(fc.record({ name, refersTo: names }), {
      selector: (each) => each.name,
      maxLength: 4,
    }),
    dropped: names,
    live: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    restore: fc.option(name, { nil: undefined }),
    status: fc.constantFrom<RunState["status"]>("training", "waiting", "stopped", "finished", "failed"),
  })
  .map(({ epoch, kept, dropped, live, restore, status }) => {
    const state = begun();
    const [attempt] = state.live;
    if (attempt === undefined) throw new Error("nothing lives");
    const progress = { ...state.progress, epoch };
    return {
      ...state,
      status,
      progress,
      kept: kept.map((each) => ({ ...each, epoch: 1, files: 1, sizeBytes: 1, progress })),
      dropped,
      live: live.map((number) => ({ ...attempt, number, ...(restore === undefined ? {} : { restore }) })),
      nextAttempt: 4,
    };
  });

describe("what is to be pruned of a run", () => {
  it("is nothing that it keeps, restores, can adopt, that others begin from, or that one of these refers to", () => {
    fc.assert(
      fc.property(states, found, names, (state, there, wanted) => {
        const gone = new Set(prunableCheckpoints(state, there, new Set(wanted)).map((each) => each.name));
        const roots = [
          ...state.kept.map((each) => each.name),
          ...state.live.flatMap(({ restore }) => restore ?? []),
          ...wanted,
          ...there
            .filter(({ name }) => {
              const [epoch, attempt] = name.split("-").map(Number);
              return (
                (epoch ?? 0) > state.progress.epoch && state.live.some(({ number }) => number === attempt)
              );
            })
            .map((each) => each.name),
        ];
        const told = [...state.kept, ...there];
        const stays = roots.flatMap((root) => [
          root,
          ...told.filter((each) => each.name === root).flatMap((each) => each.refersTo),
        ]);
        for (const each of stays) expect(gone).not.toContain(each);
      }),
      { numRuns: 500 },
    );
  });

  it("is all else that has a checkpoint's name, each with its size; and nothing the second time", () => {
    fc.assert(
      fc.property(states, found, (state, there) => {
        const gone = prunableCheckpoints(state, there);
        const needed = neededCheckpoints(state, there);
        expect(gone.map((each) => each.name)).toEqual(
          there
            .map((each) => each.name)
            .filter((each) => parseCheckpointName(each) !== undefined && !needed.has(each)),
        );
        for (const each of gone)
          expect(there).toContainEqual(expect.objectContaining({ sizeBytes: each.sizeBytes }));
        const left = there.filter((each) => !gone.some(({ name }) => name === each.name));
        expect(prunableCheckpoints(state, left)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("is never what the run comes to need later, whatever happens to it", () => {
    const job = fc.record({
      epochs: fc.integer({ min: 2, max: 8 }),
      segment: fc.constantFrom("auto" as const, 1, 2),
      checkpoint: fc.record(
        { keep: fc.integer({ min: 1, max: 2 }), best: fc.constant({ metric: "loss", mode: "min" as const }) },
        { requiredKeys: ["keep"] },
      ),
    });
    let removed = 0;
    fc.assert(
      fc.property(
        job,
        fc.array(fc.nat(), { minLength: 40, maxLength: 150, size: "max" }),
        (given, choices) => {
          const world = new World(aJob(given), 3);
          for (const choice of choices) world.step(choice);
          const states = world.journal.entries.map((entry) => entry.state);
          const needs = states.map((state) => new Set([...neededCheckpoints(state, [])]));
          const all = [...new Set(needs.flatMap((each) => [...each]))].map((name) => ({
            name,
            complete: true,
            refersTo: [],
            objects: 1,
            sizeBytes: 1,
          }));
          for (const [index, state] of states.entries()) {
            // What an attempt saves that is not planned yet is not there yet.
            const there = all.filter(
              (each) => (parseCheckpointName(each.name)?.attempt ?? 0) < state.nextAttempt,
            );
            const gone = prunableCheckpoints(state, there);
            removed += gone.length;
            for (const later of needs.slice(index))
              for (const each of gone) expect(later).not.toContain(each.name);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(removed).toBeGreaterThan(100);
  });
});

const survey = (state: RunState | undefined, more: Partial<RunSurvey> = {}): RunSurvey => ({
  run: "digits-1",
  state,
  idleSeconds: 100,
  checkpoints: [{ name: "1-1", complete: true, refersTo: [], objects: 2, sizeBytes: 20 }],
  records: { objects: 1, sizeBytes: 5 },
  journal: { objects: 3, sizeBytes: 30 },
  ...more,
});

describe("whole runs", () => {
  const ends = (status: RunState["status"]): RunState => ({ ...begun(), status });

  it("are removed where they are in one of the states, old enough, and nobody begins from them", () => {
    const finished = ends("finished");
    const whole = { states: ["finished" as const], olderThanSeconds: 100 };
    expect(planPrune(survey(finished), undefined, whole)).toEqual([
      { kind: "run", run: "digits-1", status: "finished", objects: 6, sizeBytes: 55 },
    ]);
    const stays = (plan: ReturnType<typeof planPrune>) =>
      expect(plan.map(({ kind }) => kind)).not.toContain("run");
    stays(planPrune(survey(finished)));
    stays(planPrune(survey(finished, { idleSeconds: 99 }), undefined, whole));
    stays(planPrune(survey(finished), new Set(["1-1"]), whole));
    stays(planPrune(survey(ends("failed")), undefined, whole));
    stays(planPrune(survey(undefined), undefined, whole));
  });

  it("are interrupted or stopped where their journal says that they are under way and nobody drives them", () => {
    const stop = { id: "s", by: "alice@laptop", at: "2026-01-01T00:00:00.000Z" };
    const cases: [RunState, RestingState][] = [
      [ends("training"), "interrupted"],
      [ends("waiting"), "interrupted"],
      [{ ...ends("training"), stop }, "stopped"],
      [ends("stopped"), "stopped"],
      [ends("failed"), "failed"],
    ];
    for (const [state, resting] of cases) {
      for (const asked of restingStates) {
        const plan = planPrune(survey(state), undefined, { states: [asked], olderThanSeconds: 0 });
        expect(plan.some((item) => item.kind === "run" && item.status === resting)).toBe(asked === resting);
      }
    }
  });

  it("that were removed in part, so that nothing is left of what they keep, are removed to the end", () => {
    const whole = { states: ["finished" as const], olderThanSeconds: 0 };
    const kept = { name: "1-1", epoch: 1, files: 1, sizeBytes: 1, refersTo: [], progress: begun().progress };
    const left = survey(
      { ...ends("training"), kept: [kept] },
      { checkpoints: [], records: { objects: 0, sizeBytes: 0 } },
    );
    expect(planPrune(left, undefined, whole)).toMatchObject([{ kind: "run" }]);
    expect(planPrune(left)).toEqual([]);
  });

  it("that there are not leave checkpoints and records, which nobody needs", () => {
    expect(planPrune(survey(undefined))).toMatchObject([
      { kind: "checkpoint", name: "1-1", why: "unknown" },
      { kind: "records", objects: 1 },
    ]);
    expect(planPrune(survey(undefined), new Set(["1-1"]))).toMatchObject([{ kind: "records" }]);
  });
});

describe("what training begins from", () => {
  const digest = "0".repeat(64);
  it("is wanted while nothing is committed, and where it is in the same store", () => {
    const origin = { run: "base-1", checkpoint: "3-1", digest };
    const state = begun();
    expect(beginsFrom({ ...state, origin })).toEqual({ run: "base-1", checkpoint: "3-1" });
    expect(beginsFrom({ ...state, origin: { ...origin, store: "/elsewhere" } })).toBeUndefined();
    expect(beginsFrom({ ...state, origin, progress: { ...state.progress, epoch: 1 } })).toBeUndefined();
    expect(beginsFrom(state)).toBeUndefined();
  });

  it("and only a live attempt's checkpoint beyond what is committed can be adopted", () => {
    const state = begun();
    expect(["1-1", "2-1-500"].map((each) => isAdoptable(state, each))).toEqual([true, true]);
    expect(["1-2", "mine"].map((each) => isAdoptable(state, each))).toEqual([false, false]);
    expect(isAdoptable({ ...state, progress: { ...state.progress, epoch: 1 } }, "1-1")).toBe(false);
  });
});
