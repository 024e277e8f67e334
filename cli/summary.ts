import { relative } from "node:path";
import * as z from "zod";
import { usdWords } from "../core/cost.ts";
import { costAt } from "../core/decisions/cost.ts";
import { marketWords } from "../core/decisions/market.ts";
import { planEpoch, policyOf } from "../core/decisions/plan.ts";
import { bestCheckpoint, secondsIn } from "../core/decisions/progress.ts";
import { FailureClass } from "../core/failure.ts";
import type { TrainingJob } from "../core/job.ts";
import { checkpointPrefix } from "../core/keys.ts";
import { markets } from "../core/market.ts";
import { isAdaptive } from "../core/policies/batch-size/index.ts";
import { Metrics } from "../core/report.ts";
import { planInForce, type RunState } from "../core/run-state.ts";
import { isUnderWay } from "../core/standing.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { failureWords } from "./failure-words.ts";
import { count, duration, metric, moment, table } from "./format.ts";
import { nextCommand } from "./next-command.ts";

/** What a run came to, for people and for programs alike: what `train --json` and `resume --json` print. */
export const Summary = z.strictObject({
  run: z.string(),
  /** `interrupted`: it can go on, and nobody trains it now; `stopped`: so it is, since somebody asked for it. */
  status: z.enum(["training", "waiting", "stopped", "finished", "failed", "interrupted"]),
  /** Why it finished or failed, in words. */
  reason: z.string().optional(),
  /** Who asked that it stop, and when; also while it still does. */
  stop: z.strictObject({ by: z.string(), at: z.string() }).optional(),
  /** The last committed epoch, of how many. */
  epoch: z.int(),
  /** Committed steps of the epoch after that. */
  step: z.int().optional(),
  epochs: z.int(),
  /** Of the last committed epoch. */
  metrics: Metrics,
  best: z
    .strictObject({ metric: z.string(), value: z.number(), epoch: z.int(), checkpoint: z.string() })
    .optional(),
  /** Where it follows what is measured: what it is, how often it changed, and why it is not another. */
  batchSize: z.strictObject({ size: z.int(), changes: z.int(), reason: z.string().optional() }).optional(),
  /** Where it is known: on which type of machine how many examples fitted at once, and how many did not. */
  memory: z
    .array(z.strictObject({ machine: z.string(), fits: z.int().optional(), wall: z.int().optional() }))
    .optional(),
  examples: z.int(),
  trainedSeconds: z.number(),
  lostSeconds: z.number(),
  recoveries: z.int(),
  /** What its instances cost so far, in USD, and for how many hours it had them; absent on a machine of one's own. */
  cost: z
    .strictObject({
      usd: z.number(),
      hours: z.partialRecord(z.enum(markets), z.number()),
      /** Hours of instances whose price nobody knows. */
      unpricedHours: z.number().optional(),
      budgetUsd: z.number().optional(),
    })
    .optional(),
  attempts: z.int(),
  /** Those that are kept, oldest first. */
  checkpoints: z.array(
    z.strictObject({
      name: z.string(),
      epoch: z.int(),
      /** Where it is from the middle of that epoch. */
      step: z.int().optional(),
      sizeBytes: z.int(),
      address: z.string(),
    }),
  ),
  /** Where the run failed: the last attempt's failure, why no other followed, and what can be done. */
  failure: z
    .strictObject({
      attempt: z.int(),
      class: FailureClass,
      message: z.string(),
      why: z.string(),
      next: z.string(),
    })
    .optional(),
});
export type Summary = z.infer<typeof Summary>;

export function summarizeRun(
  state: RunState,
  job: TrainingJob,
  store: string,
  status: Summary["status"] = state.status,
  at: string = new Date().toISOString(),
): Summary {
  const goal = job.checkpoint.policy === "keep" ? job.checkpoint.best : undefined;
  const best = goal === undefined ? undefined : bestCheckpoint(goal, state.kept);
  const address = (name: string) => `${store}/${checkpointPrefix(state.run, name)}`.replace(/\/$/, "");
  return {
    run: state.run,
    status,
    reason: state.ending,
    ...(state.stop === undefined ? {} : { stop: { by: state.stop.by, at: state.stop.at } }),
    epoch: state.progress.epoch,
    ...(state.progress.partial === undefined ? {} : { step: state.progress.partial.step }),
    epochs: job.epochs,
    metrics: state.recent.at(-1)?.report.metrics ?? {},
    best:
      goal === undefined || best?.bestValue === undefined
        ? undefined
        : { metric: goal.metric, value: best.bestValue, epoch: best.epoch, checkpoint: best.name },
    ...batchSizeOf(state, job),
    ...memoryOf(state, job),
    examples: state.progress.examples,
    trainedSeconds: secondsIn(state.progress),
    lostSeconds: state.lostSeconds,
    recoveries: state.recoveries,
    ...costOf(state, job, status, at),
    attempts: state.nextAttempt - 1,
    checkpoints: state.kept.map(({ name, epoch, step, sizeBytes }) => ({
      name,
      epoch,
      ...(step === undefined ? {} : { step }),
      sizeBytes,
      address: address(name),
    })),
    failure: failureWords(state),
  };
}

/** What the attempt that lives was told; else what was trained last. */
function batchSizeOf(state: RunState, job: TrainingJob): Pick<Summary, "batchSize"> {
  const { batch } = state.progress;
  const policy = policyOf(job, state.progress);
  if (batch === undefined || policy === undefined || !isAdaptive(policy)) return {};
  const live = state.live.at(-1);
  const size = (live === undefined ? undefined : planInForce(live).batchSize) ?? batch.size;
  const { choice } = planEpoch(job, state, state.progress.epoch + 1);
  const why = state.status !== "finished" && choice?.size === size ? { reason: choice.reason } : {};
  return { batchSize: { size, changes: batch.changeCount, ...why } };
}

/** `256 after 3 changes; batch size 256 held: …`. */
const batchSizeWords = ({ size, changes, reason }: NonNullable<Summary["batchSize"]>): string =>
  `${size} after ${count(changes, "change")}${reason === undefined ? "" : `; ${reason.replace(`batch size ${size}`, "").replace(/^[,:]? /, "")}`}`;

/** What of memory bounds training: walls, or what was found for a job that asks for the most that fit. */
function memoryOf({ memory = [] }: RunState, { microBatchSize }: TrainingJob): Pick<Summary, "memory"> {
  const known = memory.filter(({ wall }) => wall !== undefined || microBatchSize === "auto");
  return known.length === 0 ? {} : { memory: known.map(({ uses: _uses, ...machine }) => machine) };
}

/** `8 fit, 16 did not fit (g5.xlarge)`. */
const memoryWords = (memory: NonNullable<Summary["memory"]>): string =>
  memory
    .map(({ machine, fits, wall }) => {
      const known = [
        ...(fits === undefined ? [] : [`${fits} fit`]),
        ...(wall === undefined ? [] : [`${wall} did not fit`]),
      ];
      return `${known.join(", ")} (${machine === "local" ? "this machine" : machine})`;
    })
    .join("; ");

/** What the run has cost by `at`; of an attempt that lives, only while somebody drives the run. */
function costOf(
  state: RunState,
  { budgetUsd }: TrainingJob,
  status: Summary["status"],
  at: string,
): Pick<Summary, "cost"> {
  const cost = isUnderWay({ status }) ? costAt(state, at) : state.cost;
  if (cost === undefined || Object.keys(cost.hours).length === 0) return {};
  const { usd, hours, unpricedHours } = cost;
  return {
    cost: {
      usd,
      hours,
      ...(unpricedHours === undefined ? {} : { unpricedHours }),
      ...(budgetUsd === undefined ? {} : { budgetUsd }),
    },
  };
}

/** `1.23 USD of 5 USD (2 h 5 min on spot, 12 min 0 s on demand)`. */
function costWords({ usd, hours, unpricedHours, budgetUsd }: NonNullable<Summary["cost"]>): string {
  const spans = markets.flatMap((market) => {
    const spent = hours[market];
    return spent === undefined ? [] : [`${duration(spent * 3600)} ${marketWords(market)}`];
  });
  const unknown =
    unpricedHours === undefined
      ? []
      : [`${duration(unpricedHours * 3600)} of it at a price that is not known`];
  const budget = budgetUsd === undefined ? "" : ` of ${usdWords(budgetUsd)}`;
  return `${usdWords(usd)}${budget} (${[...spans, ...unknown].join(", ")})`;
}

/** Who stopped a run and when, and what goes on; `undefined` for one that is not stopped. */
const stoppedWords = ({ run, status, stop }: Summary, store: ObjectStore): string | undefined =>
  status === "stopped" && stop !== undefined
    ? `by ${stop.by} at ${moment(stop.at)}; '${nextCommand("resume", run, store)}' goes on`
    : undefined;

const nearby = (address: string): string => {
  const path = relative(process.cwd(), address);
  return address.startsWith("/") && !path.startsWith("..") && path !== "" ? path : address;
};

/** `standing` says more on a run's status than the status alone; `store` is the one that it is in. */
export function renderSummary(summary: Summary, store: ObjectStore, standing?: string): string {
  const { run, status, reason, best, failure } = summary;
  const metrics = Object.entries(summary.metrics).map(([name, value]) => {
    const note = best?.metric === name ? `  (best ${metric(best.value)} at epoch ${best.epoch})` : "";
    return [`  ${name}`, `${typeof value === "number" ? metric(value) : value}${note}`];
  });
  const newest = summary.checkpoints.at(-1);
  const recoveries = summary.recoveries === 1 ? "1 recovery" : `${summary.recoveries} recoveries`;
  const failed =
    failure === undefined
      ? []
      : [
          ["  failure", `attempt ${failure.attempt}: ${failure.class}: ${failure.message}`],
          ["  gave up", failure.why],
        ];
  const part =
    summary.step === undefined ? "" : `, and epoch ${summary.epoch + 1} up to step ${summary.step}`;
  const rows = [
    ...failed,
    ["  epochs", `${summary.epoch} of ${summary.epochs}${part}`],
    ...metrics,
    ...(summary.batchSize === undefined ? [] : [["  batch size", batchSizeWords(summary.batchSize)]]),
    ...(summary.memory === undefined ? [] : [["  micro-batch", memoryWords(summary.memory)]]),
    ["  trained", `${duration(summary.trainedSeconds)} in ${count(summary.attempts, "attempt")}`],
    ["  lost", `${duration(summary.lostSeconds)} in ${recoveries}`],
    ...(summary.cost === undefined ? [] : [["  cost", costWords(summary.cost)]]),
    ["  checkpoints", newest === undefined ? "none" : nearby(newest.address)],
    ...summary.checkpoints
      .slice(0, -1)
      .reverse()
      .map((checkpoint) => ["", nearby(checkpoint.address)]),
  ];
  const why = stoppedWords(summary, store) ?? standing ?? (failure === undefined ? reason : undefined);
  return `${run} ${status}${why === undefined ? "" : `: ${why}`}\n${table(rows)}`;
}
