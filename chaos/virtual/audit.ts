import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Evidence } from "../../core/events.ts";
import { failureRule } from "../../core/failure.ts";
import { TrainingJob } from "../../core/job.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { checkpointsPrefix } from "../../core/keys.ts";
import { isAdaptive } from "../../core/policies/batch-size/index.ts";
import { planPrune } from "../../core/prune.ts";
import type { EpochPlan } from "../../core/report.ts";
import { planInForce, type RunState } from "../../core/run-state.ts";
import { readManifest, restoreCheckpoint } from "../../store/checkpoints.ts";
import { removeItem, surveyRun } from "../../store/prune.ts";
import { checkEntry, nonsense, oneHistory, type Problem, replayed, same } from "../history.ts";
import { millisecondsOf } from "./model-job.ts";
import { type AtPlace, calmToy, sizesOf } from "./oracle.ts";
import { type Stretch, Toy } from "./toy.ts";
import { truthOf } from "./truth.ts";
import type { World } from "./world.ts";

/** What is wrong with a run that came to its end, in words; nothing where all held. */
export async function audit(world: World, entries: readonly JournalEntry[]): Promise<string[]> {
  const wrong = [...world.witness.violations];
  const last = entries.at(-1)?.state;
  if (last === undefined) return [...wrong, "there is no journal"];
  if (last.status !== "finished") wrong.push(`the run ended as ${last.status}: ${last.ending}`);
  for (const { state } of entries) for (const { name } of state.kept) world.counted.add(name);
  entries.forEach((entry, index) => {
    const before = entries[index - 1]?.state;
    const problem = (what: string) =>
      wrong.push(`entry ${entry.sequence} (${entry.decision.reason}): ${what}`);
    checkEntry(entry, before, problem);
    checkFailure(world, entry, before, problem);
  });
  for (const told of world.told)
    if (
      !same(told.decision, entries[told.sequence - 1]?.decision) ||
      told.at !== entries[told.sequence - 1]?.at
    )
      wrong.push(`entry ${told.sequence} was durable as '${told.decision.reason}', and is another now`);
  if (world.notices.every(({ subject }) => !subject.includes("finished")))
    wrong.push("nobody was told that the run is finished");
  wrong.push(...replayed(entries, world.scenario.turnsPerExecution), ...oneHistory(entries));
  wrong.push(...(await leftBehind(world, entries, last)), ...(await finalResult(world, entries, last)));
  return wrong;
}

/** Each failed attempt is explained: its class, what that rests on, what follows, and why. */
function checkFailure(
  world: World,
  entry: JournalEntry,
  before: RunState | undefined,
  problem: Problem,
): void {
  const { state, decision, event } = entry;
  if (state.failures.total === (before?.failures.total ?? 0)) return;
  if (state.failures.total !== (before?.failures.total ?? 0) + 1)
    problem("more than one failure in one entry");
  const record = state.failures.recent.at(-1);
  if (record === undefined) {
    problem("a failure without a record");
    return;
  }
  if (record.message.trim() === "" || nonsense.test(record.message))
    problem(`the failure's message is '${record.message}'`);
  if (!decision.reason.includes(`attempt ${record.attempt}`) || !decision.reason.includes(record.class))
    problem("does not name the attempt and the class");
  const newDriver = state.generation > (before?.generation ?? 0);
  const truth = truthOf(world, record.attempt, {
    unseen: newDriver || event.type === "sweep" || event.type === "stop",
    stopping: before?.stop !== undefined && before.live.some(({ batchJobId }) => batchJobId === undefined),
  });
  if (!truth.classes.includes(record.class))
    problem(`${record.class}, though what happened was: ${truth.what} (${truth.classes.join(", ")})`);
  const evidence = ("evidence" in event ? [event.evidence].flat() : []).find(
    ({ attempt }) => attempt === record.attempt,
  );
  if (evidence === undefined) {
    problem("a failure without evidence");
    return;
  }
  const rule = failureRule(record.class);
  if (!rule.counts && state.failures.withoutProgress > (before?.failures.withoutProgress ?? 0))
    problem(`${record.class} eats the budget`);
  const claimedAt = before?.live.find(({ number }) => number === record.attempt)?.claimedAt;
  checkLost(world, record, evidence, claimedAt, problem);
  if (event.type !== "failed" && event.type !== "trained") return;
  if ((record.signs ?? []).length === 0 && record.class !== "interrupted")
    problem("does not say what it rests on");
  const { action } = record;
  if (state.status === "stopped" || state.status === "finished") return;
  if (action === undefined) {
    problem("does not say what follows");
    return;
  }
  if ((action === "give-up") !== (state.status === "failed"))
    problem(`says ${action}, and the run is ${state.status}`);
  if (action !== "give-up" && action !== rule.after && evidence.retryable === undefined)
    problem(`says ${action}, where ${rule.after} is the rule`);
}

type FailureRecord = RunState["failures"]["recent"][number];

/**
 * What a failure is said to have cost is no less than the training that was really lost, and no more than the attempt lived:
 * within what clocks differ by, where it is known when it stopped, and where nothing went on that was believed dead.
 */
function checkLost(
  world: World,
  record: FailureRecord,
  evidence: Evidence,
  claimedAt: string | undefined,
  problem: Problem,
): void {
  const deeds = [...world.witness.deeds.values()].find(
    ({ assignment }) => assignment.attempt === record.attempt,
  );
  const { suffered, stoppedAt } = deeds?.job ?? {};
  const stopped = millisecondsOf(stoppedAt);
  if (deeds === undefined || stopped === undefined || claimedAt === undefined) return;
  if (evidence.stoppedAt === undefined) return;
  const slack = 10 + 2 * world.scenario.skewSeconds;
  // From the claim as the journal has it: the attempt knows of it only when the answer comes.
  const lived = (stopped - Date.parse(claimedAt)) / 1000;
  // Who was believed dead lived on, and tells of it where it can.
  const livedOn = suffered === "believed dead" || suffered === "frozen machine";
  if (!livedOn && record.lostSeconds > Math.max(0, lived) + slack)
    problem(`lost ${record.lostSeconds} s of ${lived} s`);
  if (livedOn || world.scenario.job.checkpoint === "none") return;
  // What is adopted and gone back from at once is counted with what the run had before.
  if (record.action === "roll-back" && evidence.found.length > 0) return;
  const counted = [...deeds.handedOver]
    .filter(([name]) => world.counted.has(name))
    .map(([, seconds]) => seconds);
  const lost = deeds.trainedSeconds - Math.max(0, ...counted);
  if (record.lostSeconds < lost - slack)
    problem(`lost ${record.lostSeconds} s, where ${lost} s of training were lost`);
}

async function finalResult(
  world: World,
  entries: readonly JournalEntry[],
  last: RunState,
): Promise<string[]> {
  const { scenario, store, run, folder } = world;
  const job = TrainingJob.parse(scenario.job);
  if (job.checkpoint.policy === "none") return [];
  if (last.progress.epoch !== job.epochs)
    return [`it ended at epoch ${last.progress.epoch} of ${job.epochs}`];
  const newest = last.kept.at(-1);
  if (newest === undefined) return ["no checkpoint is left"];
  if (world.damagedNow(newest.name)) return [];
  const into = join(folder, "final");
  let toy: Toy;
  try {
    await restoreCheckpoint(store, run, newest.name, into);
    toy = Toy.load(into);
  } catch (error) {
    return [
      `the last checkpoint ${newest.name} cannot be restored: ${error instanceof Error ? error.message : error}`,
    ];
  }
  const lowered = entries.some(({ state }) => state.numeric !== undefined);
  const trained = (epoch: number, at: number) =>
    toy.trace.find((stretch) => stretch.epoch === epoch && stretch.from <= at && at < stretch.to);
  const sizeOf = sizesOf(job, (epoch, at) => trained(epoch, at)?.batch ?? 0);
  const first = sizeOf(1, 0);
  // The root of the batch size, as the job says, where it is one that follows what is measured; else as it is.
  const calmRate: AtPlace = (epoch, at) =>
    job.learningRate.scaling === "sqrt" ? Math.sqrt(sizeOf(epoch, at) / first) : 1;
  const rateOf: AtPlace = lowered ? (epoch, at) => trained(epoch, at)?.rate ?? 0 : calmRate;
  const expected = calmToy(job, scenario.physics.examples, { sizeOf, rateOf });
  const wrong: string[] = [];
  if (toy.weights !== expected.weights || !same(toy.trace, expected.trace))
    wrong.push(`the result is not that of the calm run: ${JSON.stringify(toy.trace)}`);
  wrong.push(...asPlanned(entries, toy.trace));
  // An answer that was lost on its way leaves an attempt with the plan that it had.
  const follows = job.batchSize !== undefined && isAdaptive(job.batchSize);
  if (lowered && !follows)
    wrong.push(...ratesAsPlanned(entries, new Map(toy.trace.map(({ epoch, rate }) => [epoch, rate]))));
  return wrong;
}

/** The learning rate at the end of each epoch is the one that its attempt was told. */
function ratesAsPlanned(entries: readonly JournalEntry[], trained: ReadonlyMap<number, number>): string[] {
  const planned = new Map<string, number>();
  const attempts = new Map<number, number>();
  for (const { state } of entries) {
    for (const { number, firstPlan, answers } of state.live) {
      planned.set(`${number} ${firstPlan.epoch}`, firstPlan.learningRateScale);
      if (answers.report?.action === "train")
        planned.set(`${number} ${answers.report.plan.epoch}`, answers.report.plan.learningRateScale);
    }
    for (const { report, attempt } of state.recent) attempts.set(report.epoch, attempt);
  }
  return [...trained].flatMap(([epoch, rate]) => {
    const told = planned.get(`${attempts.get(epoch)} ${epoch}`);
    return told === rate
      ? []
      : [`epoch ${epoch} is trained with learning rate × ${rate}, and × ${told} was planned`];
  });
}

/** Each stretch has a batch size and a learning rate that one of its epoch's attempts was told for it. */
function asPlanned(entries: readonly JournalEntry[], trace: readonly Stretch[]): string[] {
  const told = new Set<string>();
  const tell = ({ epoch, batchSize, learningRateScale }: EpochPlan) =>
    told.add(`epoch ${epoch}: ${batchSize ?? 4} examples, × ${learningRateScale}`);
  for (const { state } of entries) for (const live of state.live) tell(planInForce(live));
  return trace
    .map(({ epoch, batch, rate }) => `epoch ${epoch}: ${batch} examples, × ${rate}`)
    .filter((words) => !told.has(words))
    .map((words) => `nobody planned what was trained: ${words}`);
}

/** Whether the attempt that a checkpoint is of went on after Batch had said that it had ended. */
const outlivedItself = ({ batch }: World, name: string): boolean =>
  batch.jobs.some(
    ({ attempt, stoppedAt, diedAt }) =>
      String(attempt) === name.split("-")[1] && diedAt !== undefined && diedAt > (stoppedAt ?? diedAt),
  );

/**
 * Nothing is there that the run does not know of; but for what an attempt saved after it had been settled, believed dead. What
 * `pawl prune` then removes is all of that, and nothing that is kept.
 */
async function leftBehind(world: World, entries: readonly JournalEntry[], last: RunState): Promise<string[]> {
  const { store, run, folder } = world;
  const wrong: string[] = [];
  const kept = new Set(last.kept.map(({ name }) => name));
  const known = new Set([...kept, ...last.dropped]);
  // What was found damaged stays, for whoever looks into it.
  for (const { event } of entries)
    for (const { damaged } of "evidence" in event ? [event.evidence].flat() : [])
      if (damaged !== undefined) known.add(damaged);
  const survey = await surveyRun(store, run, new Date());
  for (const { name, complete } of survey.checkpoints) {
    if (known.has(name) || world.damaged.has(name) || outlivedItself(world, name)) continue;
    wrong.push(`checkpoint ${name} (${complete ? "complete" : "incomplete"}) is left behind`);
  }
  for (const item of planPrune(survey)) await removeItem(store, item, new AbortController().signal);
  for await (const name of store.children(checkpointsPrefix(run)))
    if (!kept.has(name)) wrong.push(`checkpoint ${name} is left behind by prune`);
  for (const { name } of last.kept) {
    if (world.damagedNow(name)) continue;
    const manifest = await readManifest(store, run, name).catch(() => undefined);
    if (manifest === undefined) wrong.push(`the kept checkpoint ${name} is not there`);
    for (const file of manifest?.files ?? [])
      if (
        !(await store.has(file.key)) &&
        !world.damagedNow(/^checkpoints\/[^/]+\/([^/]+)/.exec(file.key)?.[1] ?? "")
      )
        wrong.push(`the kept checkpoint ${name} has lost ${file.key}`);
  }
  const temporary = join(folder, "store", ".internal", "tmp");
  if (existsSync(temporary) && readdirSync(temporary).length > 0)
    wrong.push("temporary files are left behind");
  return wrong;
}
