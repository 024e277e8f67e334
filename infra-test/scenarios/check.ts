import { expect } from "vitest";
import type { FailureClass } from "../../core/failure.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { checkpointsPrefix, journalKey, outcomeKey } from "../../core/keys.ts";
import type { Played } from "./play.ts";
import type { Act, Execution } from "./scenario.ts";
import { examplesPerEpoch } from "./setting.ts";

/** Holds what came of a line against what the table says. */
export function expectEnd({ line, executions, journal, objects, remains }: Played): void {
  const { ends, run } = line;
  const expected = line.acts.filter(isExecution).map((act) => act.ends);
  expect(executions).toHaveLength(expected.length);
  for (const [index, { status, error, cause }] of expected.entries()) {
    const ended = executions[index];
    expect(ended, `${ended?.error}: ${ended?.cause}`).toMatchObject({
      status,
      ...(error === undefined ? {} : { error }),
      ...(cause === undefined ? {} : { cause: expect.stringContaining(cause) }),
    });
  }
  if (ends.status === undefined) {
    expect({ journal, objects, remains }).toEqual({ journal: [], objects: [], remains: [] });
    return;
  }
  const state = journal.at(-1)?.state;
  expect(failures(journal)).toEqual(ends.failures);
  expect({
    status: state?.status,
    epoch: state?.progress.epoch ?? 0,
    examples: state?.progress.examples ?? 0,
  }).toEqual({
    status: ends.status,
    epoch: ends.epoch,
    examples: ends.epoch * (ends.examplesPerEpoch ?? examplesPerEpoch),
  });
  expect(state?.live ?? []).toEqual([]);
  expect(openings(journal)).toBe(ends.generations);
  expect(state?.cost?.hours.spot).toBeGreaterThan(0);
  expect(state?.cost?.usd).toBeLessThanOrEqual(ends.mostUsd ?? Number.POSITIVE_INFINITY);
  if (ends.ending !== undefined) expect(state?.ending).toContain(ends.ending);

  expect(checkpointsIn(objects, run)).toEqual(ends.checkpoints);
  expect(objects.filter((key) => key.startsWith("journal/"))).toEqual(
    journal.map(({ sequence }) => journalKey(run, sequence)),
  );
  for (const { event } of journal) {
    if (event.type !== "ended") continue;
    // Of one that did all of its work the journal has the account.
    const left = objects.includes(outcomeKey(run, event.attempt, event.batchJobId));
    expect(left).toBe(event.outcome.result !== "done");
  }
  expectTraining(journal, ends.epoch, ends.microBatches);
  if (ends.growths !== undefined) expect(growths(journal)).toBeGreaterThanOrEqual(ends.growths);
  expect(remains).toEqual([]);
}

const isExecution = (act: Act): act is Execution => act.do === "execute";

/** How often the batch size that was trained with grew, of what is committed. */
const growths = (journal: readonly JournalEntry[]): number =>
  (journal.at(-1)?.state.progress.batch?.changes ?? []).filter(({ from, to }) => to > from).length;

/** The last accuracy of `run` lies between the lowest and the highest of the others'. */
export function expectAmongItsLike(run: string, played: readonly Played[]): void {
  const accuracy = ({ journal }: Played) =>
    Number(journal.at(-1)?.state.recent.at(-1)?.report.metrics.accuracy);
  const [its] = played.filter(({ line }) => line.run === run).map(accuracy);
  const others = played.filter(({ line }) => line.run !== run).map(accuracy);
  expect(others.length).toBeGreaterThanOrEqual(5);
  expect(its).toBeGreaterThanOrEqual(Math.min(...others));
  expect(its).toBeLessThanOrEqual(Math.max(...others));
}

/** Each epoch counts once, and the model learns. */
function expectTraining(
  journal: readonly JournalEntry[],
  epochs: number,
  microBatches: readonly number[] | undefined,
): void {
  const committed: number[] = [];
  for (const { state } of journal) {
    for (let epoch = (committed.at(-1) ?? 0) + 1; epoch <= state.progress.epoch; epoch += 1)
      committed.push(epoch);
  }
  expect(committed).toEqual(Array.from({ length: epochs }, (_, index) => index + 1));
  const recent = journal.at(-1)?.state.recent ?? [];
  const losses = recent.map(({ report }) => Number(report.metrics.loss));
  expect(losses.toSorted((a, b) => b - a)).toEqual(losses);
  if (epochs > 1) expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
  if (microBatches !== undefined)
    expect(recent.map(({ report }) => report.metrics.microBatch)).toEqual(microBatches);
}

/** The classes of all failures, as the journal tells of them, in order. */
function failures(journal: readonly JournalEntry[]): FailureClass[] {
  const classes: FailureClass[] = [];
  let total = 0;
  for (const { state } of journal) {
    const added = state.failures.total - total;
    if (added > 0) classes.push(...state.failures.recent.slice(-added).map((failure) => failure.class));
    total = state.failures.total;
  }
  return classes;
}

const openings = (journal: readonly JournalEntry[]): number =>
  new Set(journal.map(({ state }) => state.driver.id)).size;

/** The names of the checkpoints that are whole, and of what was begun of others. */
function checkpointsIn(objects: readonly string[], run: string): string[] {
  const prefix = checkpointsPrefix(run);
  const names = new Map<string, Set<string>>();
  for (const key of objects) {
    if (!key.startsWith(prefix)) continue;
    const [name = "", ...file] = key.slice(prefix.length).split("/");
    names.set(name, (names.get(name) ?? new Set()).add(file.join("/")));
  }
  return [...names].map(([name, files]) =>
    files.has("manifest.json") ? name : `${name} without its manifest`,
  );
}
