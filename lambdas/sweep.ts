import * as z from "zod";
import { isStoreWide, PawlError } from "../core/errors.ts";
import { automaticRun, Name } from "../core/names.ts";
import type { SweepAnswer } from "../core/sweep.ts";
import { inParallel } from "../store/checkpoints-parallel.ts";
import { forSweep } from "./aws-ports.ts";
import { deployed } from "./deployed.ts";
import type { Ports } from "./ports.ts";
import { RestingRuns } from "./resting-runs.ts";
import { type EndedExecution, sweepRun } from "./sweep-run.ts";

/** What EventBridge sends when an execution has ended. */
const StatusChange = z.object({
  "detail-type": z.literal("Step Functions Execution Status Change"),
  detail: z.object({
    executionArn: z.string(),
    status: z.string(),
    /** Left out where Step Functions finds it too long. */
    input: z.string().nullish(),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
});

/** Anything else asks for all runs: a schedule, or somebody who goes on behind the last run that was looked at. */
const Scheduled = z.object({ after: Name.optional().catch(undefined) }).catch({ after: undefined });

export interface SweepReport {
  /** How many runs were looked at. */
  readonly looked: number;
  /** What came of those that needed something. */
  readonly answers: readonly SweepAnswer[];
  /** Attempts whose jobs were ended since they had not started in time. */
  readonly late: readonly { readonly run: string; readonly attempt: number }[];
  /** Runs that could not be looked at, or of which people could not be told. */
  readonly problems: readonly { readonly run: string; readonly message: string }[];
  /** Where there are more runs than there was time for: the last one that was looked at. */
  readonly after?: string;
}

/** After so long no further runs are begun with: half of the time that the function has. */
const longestMilliseconds = 60_000;

/** So many runs are looked at between two looks at the clock, and so many of them at once. */
const runsInTurn = 64;
const atATime = 8;

/**
 * Sees to the runs for which nothing else would run any more, since the execution that drives them is gone. Asked by
 * EventBridge when an execution has ended, for its run, and on a schedule, for all.
 */
export const sweepRuns =
  (ports: Ports) =>
  async (payload: unknown): Promise<SweepReport> => {
    const change = StatusChange.safeParse(payload);
    if (!change.success) return await sweepAll(ports, Scheduled.parse(payload).after);
    const { input, ...ended } = change.data.detail;
    if (typeof input !== "string") return await sweepAll(ports, undefined, ended);
    const run = runOf(input);
    if (run === undefined) return { looked: 0, answers: [], late: [], problems: [] };
    const { answer, late } = await sweepUntilGone(ports, run, ended);
    return {
      looked: 1,
      answers: answer.action === "none" ? [] : [answer],
      late: late.map((attempt) => ({ run, attempt })),
      problems: [],
    };
  };

/** How often, and so for how long, what is asked to end is looked at again: it has two minutes to save what it has. */
const mostLooks = 100;
const lookAgainMilliseconds = 2000;

/** Waits for what was left running and is to end: nobody else would look at the run before the schedule does. */
async function sweepUntilGone(ports: Ports, run: string, ended: EndedExecution) {
  for (let look = 1; ; look += 1) {
    const swept = await sweepRun(ports, run, ended);
    if (swept.answer.action !== "ending" || ports.pause === undefined || look >= mostLooks) return swept;
    await ports.pause(lookAgainMilliseconds);
  }
}

const NamedInput = z.object({ run: Name.optional(), job: z.object({ name: Name }).optional() });

/** The run that an execution with this input was to drive; `undefined` where Open can only have refused it. */
function runOf(input: string): string | undefined {
  try {
    const { run, job } = NamedInput.parse(JSON.parse(input));
    return run ?? (job === undefined ? undefined : automaticRun(job.name, 1));
  } catch {
    return undefined;
  }
}

async function sweepAll(
  ports: Ports,
  after: string | undefined,
  ended?: EndedExecution,
): Promise<SweepReport> {
  const answers: SweepAnswer[] = [];
  const late: { run: string; attempt: number }[] = [];
  const problems: { run: string; message: string }[] = [];
  const resting = await RestingRuns.read(ports.store);
  const sweepOne = async (run: string) => {
    try {
      // Of an execution that has ended people may still have to be told.
      if (ended === undefined && (await resting.isAtRest(run))) return;
      const swept = await sweepRun(ports, run, ended);
      resting.note(run, swept.restingAt);
      if (swept.answer.action !== "none") answers.push(swept.answer);
      late.push(...swept.late.map((attempt) => ({ run, attempt })));
    } catch (error) {
      if (error instanceof PawlError && isStoreWide(error)) throw error;
      problems.push({ run, message: error instanceof Error ? error.message : String(error) });
    }
  };
  const names = await runsAfter(ports, after);
  const began = ports.now().getTime();
  let looked = 0;
  do {
    const turn = names.slice(looked, looked + runsInTurn);
    await inParallel(turn, { concurrency: atATime }, sweepOne);
    looked += turn.length;
  } while (looked < names.length && ports.now().getTime() - began < longestMilliseconds);
  await resting.write();
  const last = looked < names.length ? names[looked - 1] : undefined;
  return { looked, answers, late, problems, ...(last === undefined ? {} : { after: last }) };
}

async function runsAfter({ journal }: Ports, after: string | undefined): Promise<string[]> {
  const names: string[] = [];
  for await (const name of journal.runs()) {
    // A folder of the journal that is no run's is nobody's to sweep.
    if (Name.safeParse(name).success && (after === undefined || name > after)) names.push(name);
  }
  return names;
}

export const handler = deployed(sweepRuns, forSweep);
