import { type ExitCode, exitCodes, PawlError } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import { jobChanges } from "../core/job-digest.ts";
import { checkpointsPrefix } from "../core/keys.ts";
import type { ExecutionInput } from "../core/requests.ts";
import { codeOf, folderOf } from "../core/source.ts";
import { isUnderWay } from "../core/standing.ts";
import { type JournalHead, readHead } from "../lambdas/journalled.ts";
import { originFor } from "../lambdas/origin.ts";
import { type PackedCode, packCode, uploadCode } from "../store/code.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { confirm } from "./ask.ts";
import type { CommandRun, Console, OptionValues } from "./commands.ts";
import { size } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { announceChanges } from "./job-changes.ts";
import { readJobFile } from "./job-file.ts";
import { checkJobFolder } from "./job-folder.ts";
import { nextCommand } from "./next-command.ts";
import { heldNext } from "./refusal.ts";
import { checkRunName, chooseRun, runNotFound } from "./runs.ts";
import type { Stack } from "./stack.ts";
import { openStack, stackName } from "./stack-option.ts";
import { whoDrives } from "./standing.ts";
import { checkData, checkForStack, checkPlacement } from "./start-checks.ts";
import { inputText, type Launch, startExecution, untilOpened } from "./start-execution.ts";
import { makePlan, type Plan, renderPlan } from "./start-plan.ts";

/** So long it is waited until the execution has opened its run: a Lambda function that starts takes seconds. */
const openingMilliseconds = 30_000;

/** What `start --json` prints; `resume --stack --json` without the plan. */
interface Started {
  readonly run: string;
  readonly stack: string;
  readonly store: string;
  /** Its ARN; absent where the run was finished already. */
  readonly execution?: string;
  /** Whether the execution has opened its run already. */
  readonly opened?: boolean;
  readonly plan?: Plan;
}

/** `pawl start [file]`. */
export const start: CommandRun = async ({ args, options, console }) => {
  const named = stackName(options);
  if (named === undefined) {
    throw new PawlError("USAGE", "start needs --stack NAME: the stack that is to train", {
      next: "Give the name that it was deployed with ('npx cdk deploy' names it Pawl). 'pawl train' trains on this machine.",
      details: { option: "--stack" },
    });
  }
  const file = await readJobFile(args[0] ?? "pawl.yaml");
  const name = typeof options.run === "string" ? checkRunName(options.run) : undefined;
  const code = await packCode(file.folder);
  checkForStack(file, code);
  const stack = await openStack(named);
  checkPlacement(stack, file.job);
  const store = await openStore(stack.store);
  const journal = openJournal(store);
  const run = await chooseRun(journal, file.job.name, { name, another: options.new === true });
  const head = await readHead({ journal }, run, 0);
  const acceptChanges = options.acceptChanges === true;
  if (head !== undefined) await checkGoesOn(store, head, file.job, acceptChanges, console);
  // Open looks for it too; here nothing is started yet, and the words are the command line's.
  await originFor(store, head, { job: file.input, source: undefined, acceptChanges });
  const input: ExecutionInput = {
    job: file.input,
    run,
    source: { code: code.key },
    ...(acceptChanges ? { acceptChanges } : {}),
    ...(options.startAgain === true ? { startAgain: true } : {}),
  };
  inputText(input);
  const isCodeThere = await store.has(code.key);
  const plan = await makePlan({ stack, journal, run, job: file.job, state: head?.state, code, isCodeThere });
  console.err(renderPlan(plan, stack, file.job));
  if (options.yes !== true) await confirm("Start it?", console);
  await upload(store, code, console);
  const launched = { stack, store, run, input, code };
  if (options.new !== true || name !== undefined) return await launch(launched, plan, options, console);
  const otherName = (taken: string) => chooseRun(journal, file.job.name, { name, another: true, taken });
  return await launchNew(launched, plan, { options, console, otherName });
};

/** Begins a run under the name that is free, or the next: others that begin one at this moment choose the same. */
async function launchNew(
  launched: Launched,
  plan: Plan,
  { options, console, otherName }: Talk & { otherName: (taken: string) => Promise<string> },
): Promise<ExitCode> {
  const { run, input } = launched;
  try {
    return await launch(launched, plan, options, console);
  } catch (error) {
    if (!(error instanceof PawlError) || !["RUN_HELD", "JOB_CHANGED"].includes(error.code)) throw error;
    console.err(`somebody else begins ${run} at this moment`);
    const other = await otherName(run);
    const again = { ...launched, run: other, input: { ...input, run: other } };
    const results = `${launched.stack.store}/${checkpointsPrefix(other)}`;
    return await launchNew(again, { ...plan, run: other, results }, { options, console, otherName });
  }
}

interface Talk {
  readonly options: OptionValues;
  readonly console: Console;
}

interface Launched extends Launch {
  readonly code: PackedCode | undefined;
}

/** A run that exists is gone on with, unless it is over or somebody trains it. */
async function checkGoesOn(
  store: ObjectStore,
  { state, job }: JournalHead,
  given: TrainingJob,
  acceptChanges: boolean,
  console: Console,
): Promise<void> {
  const { run } = state;
  await checkIdle(store, state);
  const changes = jobChanges(TrainingJob.parse(job), given);
  if (state.status === "finished" && changes.length === 0) {
    throw new PawlError("RUN_EXISTS", `run ${run} is finished already`, {
      next: `'${nextCommand("show", run, store)}' shows it; begin another run with --new.`,
      details: { run, store: store.address },
    });
  }
  announceChanges(changes, run, acceptChanges, console);
}

async function checkIdle(store: ObjectStore, state: JournalHead["state"]): Promise<void> {
  if (!isUnderWay(state)) return;
  const { run } = state;
  const { alive, who } = await whoDrives(store, state);
  if (!alive) return;
  throw new PawlError("RUN_HELD", `run ${run} is being trained by ${who}`, {
    next: heldNext({ run, store }),
    details: { run, holder: who },
  });
}

async function upload(store: ObjectStore, code: PackedCode, console: Console): Promise<void> {
  if (await uploadCode(store, code))
    console.err(`uploaded the code, ${size(code.sizeBytes)} before compression`);
}

/** Starts, sees that it has begun, and follows it where that is wanted. */
async function launch(
  { code, ...launch }: Launched,
  plan: Plan | undefined,
  options: OptionValues,
  console: Console,
): Promise<ExitCode> {
  const { stack, store, run } = launch;
  const wait = options.wait === true;
  // From before it is asked for: else Ctrl-C could leave an execution that nobody was told of.
  const leave = new AbortController();
  const restore = onInterrupt(
    () => leave.abort(),
    () => {},
  );
  let execution: string;
  let opened = false;
  try {
    execution = await startExecution(launch);
    console.err(`started ${execution}`);
    const milliseconds = wait ? Number.POSITIVE_INFINITY : openingMilliseconds;
    opened = await untilOpened(launch, execution, { milliseconds, signal: leave.signal });
    // A prune that came between saw no run that needs it; from now on there is one.
    if (opened && code !== undefined) await uploadCode(store, code);
  } finally {
    restore();
  }
  const started: Started = {
    run,
    execution,
    stack: stack.stackName,
    store: store.address,
    opened,
    ...(plan === undefined ? {} : { plan }),
  };
  console.out(options.json === true ? JSON.stringify(started) : run);
  if (!opened) {
    console.err(
      leave.signal.aborted
        ? `no longer waiting; run ${run} goes on`
        : `it has not begun yet; '${nextCommand("show", run, store)}' says how it stands`,
    );
    return exitCodes.done;
  }
  if (!wait) {
    console.err(
      `'${nextCommand("watch", run, store)}' follows it, '${nextCommand("stop", run, store)}' stops it`,
    );
    return exitCodes.done;
  }
  const { watch } = await import("./watch.ts");
  return await watch({ args: [run], options: { ...options, store: store.address }, console, stack });
}

/** `pawl resume <name> --stack NAME`. */
export async function resumeOn(
  stack: Stack,
  run: string,
  options: OptionValues,
  console: Console,
): Promise<ExitCode> {
  checkRunName(run);
  const store = await openStore(stack.store);
  const journal = openJournal(store);
  const head = await readHead({ journal }, run, 0);
  if (head === undefined) throw await runNotFound(journal, run, store.address);
  if (head.state.status === "finished") {
    const finished: Started = { run, stack: stack.stackName, store: store.address };
    console.out(options.json === true ? JSON.stringify(finished) : run);
    console.err(`run ${run} is finished already: nothing was started`);
    return exitCodes.done;
  }
  await checkIdle(store, head.state);
  await checkJobFolder(head, store);
  const job = TrainingJob.parse(head.job);
  checkPlacement(stack, job);
  const folder = folderOf(head.source);
  const code = folder === undefined ? undefined : await packCode(folder);
  if (code !== undefined) checkData(`the job of run ${run}`, job, code);
  // Code is a part of what a job is started with: it comes into force with the job only.
  const given = code === undefined ? {} : { job: head.job, source: { code: code.key } };
  const input: ExecutionInput = {
    run,
    ...given,
    ...(options.startAgain === true ? { startAgain: true } : {}),
  };
  inputText(input);
  if (code !== undefined) await upload(store, code, console);
  else if (codeOf(head.source) !== undefined) console.err("it goes on with the code that it has");
  return await launch({ stack, store, run, input, code }, undefined, options, console);
}
