import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { defaultLimits } from "../core/decision.ts";
import { exitCodes, PawlError } from "../core/errors.ts";
import type { StopAnswer } from "../core/stop.ts";
import type { Liveness } from "../lambdas/ports.ts";
import { stopRun } from "../lambdas/stop.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { CommandRun, Console } from "./commands.ts";
import { moment } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { nextCommand } from "./next-command.ts";
import { readRun } from "./read-run.ts";
import { openStoreToChange, openStoreToRead } from "./runs.ts";
import type { Stack } from "./stack.ts";
import { whoDrives } from "./standing.ts";

/** What `stop --json` prints. */
export const Stopped = z.strictObject({
  run: z.string(),
  /** `stopping`: nobody waited until it was stopped; `finished` or `failed`: it came to its end before it could stop. */
  status: z.enum(["stopping", "stopped", "finished", "failed"]),
  /** The last committed epoch. */
  epoch: z.int(),
  /** Who asked first that it stop; absent where it came to its end. */
  by: z.string().optional(),
});
export type Stopped = z.infer<typeof Stopped>;

/** How often it is looked whether the run has stopped; each look at a bucket costs its owner requests. */
const lookMilliseconds = { bucket: 2000, folder: 500 };

/** How long a process that trains nothing any more is waited for, so that the run can be started again at once. */
const letGoMilliseconds = 10_000;

type Ask = (id: string, by: string, sequence?: number) => Promise<StopAnswer>;

/** `pawl stop <name>`. */
export const stop: CommandRun = async ({ args, options, console, stack }) => {
  const run = args[0] ?? "";
  const store =
    stack === undefined ? await openStoreToChange(options, run) : await openStoreToRead(options, run);
  const journal = openJournal(store);
  const { job } = await readRun(journal, run, store);
  const ask = stack === undefined ? askHere(store, run) : await askStack(stack, run);
  const id = randomUUID();
  const first = await ask(id, whoAsks());
  if (first.action === "over") throw over(run, store, first);
  if (first.action === "stopping") tell(console, run, first);
  const interrupt = new AbortController();
  const last =
    options.wait === false
      ? first
      : await waitFor(first, { ask, interrupt, console, lookMilliseconds: lookMilliseconds[kindOf(store)] });
  if (last.action === "went-on") {
    throw new PawlError("RUN_HELD", `run ${run} was started again before it had stopped, by ${last.who}`, {
      next: "What it had trained is committed. Ask again, if it is to stop now.",
      details: { run, holder: last.who },
    });
  }
  const { epoch } = last;
  const result: Stopped =
    last.action === "over"
      ? { run, status: last.status, epoch }
      : { run, status: last.action, epoch, by: last.stop.by };
  const already = first.action === "stopped" && first.stop.id !== id;
  console.out(
    options.json === true
      ? JSON.stringify(result)
      : outcome({ run, store, epochs: job.epochs, already }, last),
  );
  if (result.status === "stopping" && interrupt.signal.aborted) {
    console.err(`no longer waiting; run ${run} still stops`);
    return exitCodes.notFinished;
  }
  return result.status === "failed" ? exitCodes.runFailed : exitCodes.done;
};

/** The intent is journalled by this process. */
function askHere(store: ObjectStore, run: string): Ask {
  const journal = openJournal(store);
  const liveness: Liveness = { check: (name, driver) => whoDrives(store, { run: name, driver }) };
  const ports = { journal, liveness, now: () => new Date(), limits: defaultLimits };
  return (id, by, sequence) => stopRun(ports)({ run, id, by, sequence });
}

/** The intent is journalled by the stack: on AWS nobody else may, and it ends what waits in a queue too. */
async function askStack(stack: Stack, run: string): Promise<Ask> {
  const { askToStop } = await import("./stop-on-stack.ts");
  return (id, by, sequence) =>
    askToStop(stack, { run, id, by, ...(sequence === undefined ? {} : { sequence }) });
}

interface Waiting {
  readonly ask: Ask;
  readonly interrupt: AbortController;
  readonly console: Console;
  readonly lookMilliseconds: number;
}

const kindOf = ({ address }: ObjectStore) => (address.startsWith("s3:") ? "bucket" : "folder");

/** Asks until the run has stopped and its process is gone, or Ctrl-C ends the waiting. Returns the last answer. */
async function waitFor(
  first: StopAnswer,
  { ask, interrupt, console, lookMilliseconds }: Waiting,
): Promise<StopAnswer> {
  const leave = () => interrupt.abort();
  const restore = onInterrupt(leave, leave);
  let answer = first;
  let stoppedAt: number | undefined;
  try {
    while (!interrupt.signal.aborted) {
      if (answer.action === "stopped") {
        stoppedAt ??= performance.now();
        if (answer.who === undefined || performance.now() - stoppedAt > letGoMilliseconds) break;
      } else if (answer.action !== "stopping") break;
      await sleep(lookMilliseconds, undefined, { signal: interrupt.signal }).catch(() => {});
      // In the words of whoever asked first: so it is known again, whatever has come after.
      const next = await ask(answer.stop.id, answer.stop.by, answer.sequence);
      // It had stopped, and somebody has started it since.
      if (answer.action === "stopped" && next.action !== "stopped") break;
      if (next.epoch > answer.epoch) console.err(`epoch ${next.epoch} is committed`);
      answer = next;
    }
    return answer;
  } finally {
    restore();
  }
}

/** The person and machine, as the journal then names them. */
function whoAsks(): string {
  return `${userName()}@${hostname()}`.slice(0, 200);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container the user may have no name.
    return process.env.USER ?? `user ${process.getuid?.() ?? "unknown"}`;
  }
}

function over(
  run: string,
  store: ObjectStore,
  { status, reason }: Extract<StopAnswer, { action: "over" }>,
): PawlError {
  const look = `Nobody trains it. '${nextCommand("show", run, store)}' says`;
  // Why it failed is long, and ends with what can be done, which is not to stop it.
  const [what, next] =
    status === "failed"
      ? ["is failed", `${look} why it failed, '${nextCommand("resume", run, store)}' tries again.`]
      : [`is ${status} (${reason})`, `${look} what it came to.`];
  return new PawlError("RUN_OVER", `run ${run} ${what}: there is nothing to stop`, {
    next,
    details: { run, status },
  });
}

function tell(console: Console, run: string, { stop, who }: Extract<StopAnswer, { action: "stopping" }>) {
  console.err(`run ${run} is to stop, as ${stop.by} asks: ${who} saves what is trained …`);
}

interface Asked {
  readonly run: string;
  readonly store: ObjectStore;
  readonly epochs: number;
  /** Whether it had stopped before it was asked. */
  readonly already: boolean;
}

/** The line on how it ended, for people. */
function outcome({ run, store, epochs, already }: Asked, answer: StopAnswer): string {
  const committed = `${answer.epoch} of ${epochs} epochs are committed`;
  if (answer.action === "over") return `${run} ${answer.status} before it could stop: ${answer.reason}`;
  if (answer.action !== "stopped") return `${run} stops; so far ${committed}`;
  const { by, at } = answer.stop;
  const how = already ? `is stopped already, by ${by} at ${moment(at)}` : `stopped by ${by}`;
  return `${run} ${how}; ${committed}, and '${nextCommand("resume", run, store)}' goes on`;
}
