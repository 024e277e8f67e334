/**
 * The trainer's side of Pawl, for JavaScript. The first call connects to the agent that started this trainer;
 * `docs/trainer-protocol.md` says what is spoken.
 */
import { checkSaving } from "./check-saving.ts";
import { Connection } from "./connection.ts";
import { CurrentEpoch } from "./current-epoch.ts";
import type { Epoch, Saving } from "./epoch.ts";
import { TrainerError } from "./error.ts";

export type { Batch } from "./batches.ts";
export type { Epoch, Save, Saving } from "./epoch.ts";
export { TrainerError } from "./error.ts";
export { type Gradients, type Observed, observe, type TensorFunctions } from "./observe.ts";
export type { Position } from "./position.ts";
export type { Norms } from "./stretch.ts";

const protocol = 1;
const helper = "pawl-javascript 0.1.0";

/** What this trainer is part of. */
export interface Run {
  readonly name: string;
  /** Which try at training this is, from 1; never used twice in a run. */
  readonly attempt: number;
  /** How many epochs the job asks for. */
  readonly epochs: number;
  readonly seed: number;
  /**
   * The checkpoint to go on from, to be read only, and the last epoch of this run that is in it as a whole; `undefined` where
   * training begins with nothing. With a `step`, so many steps of the epoch after that are in it too. Epoch 0 without one:
   * what the job's `checkpoint.from` names, as fine-tuning begins with.
   */
  readonly restored:
    | { readonly folder: string; readonly epoch: number; readonly step?: number | undefined }
    | undefined;
}

interface Session {
  readonly connection: Connection;
  readonly run: Run;
}

async function begin(): Promise<Session> {
  const path = process.env.PAWL_SOCKET;
  if (path === undefined || path === "") {
    throw new TrainerError("NO_AGENT", "This trainer was started without Pawl (PAWL_SOCKET is not set).", {
      next: "Start it with 'pawl train <job file>', with this command as the job's 'command'.",
    });
  }
  const connection = await Connection.open(path);
  const welcome = await connection.ask({ type: "hello", protocol, helper }, "welcome");
  if (welcome.protocol !== protocol) {
    connection.close();
    throw new TrainerError(
      "PROTOCOL",
      `Pawl's agent speaks version ${welcome.protocol} of the protocol, this helper ${protocol}.`,
      { next: "Use the helper that came with this Pawl." },
    );
  }
  const { run: name, attempt, epochs, seed, restored } = welcome;
  return { connection, run: { name, attempt, epochs, seed, restored: restored ?? undefined } };
}

let session: Promise<Session> | undefined;
let walked = false;

function opened(): Promise<Session> {
  session ??= begin();
  return session;
}

/** The run that this trainer is part of. Raises TrainerError. */
export async function run(): Promise<Run> {
  return (await opened()).run;
}

/**
 * The folder of the checkpoint to go on from, to be read only; `undefined` where training begins with nothing. Until
 * there is one of this run it is what the job's `checkpoint.from` names, if it names anything. Raises TrainerError.
 */
export async function restored(): Promise<string | undefined> {
  return (await opened()).run.restored?.folder;
}

/**
 * The epochs to train, one after the other, until Pawl has no more; to be walked once. Asking for the next one ends the
 * one before; an epoch that was not reported is reported without metrics. Waits where Pawl still commits earlier epochs.
 *
 * `save` writes the checkpoint into a fresh, empty folder: at the end of an epoch (`epoch.checkpoint()`) and, where
 * `epoch.step` is called, in the middle of one. Raises TrainerError.
 */
export async function* epochs(saving: Saving = {}): AsyncGenerator<Epoch, void, undefined> {
  checkSaving(saving);
  const { connection } = await opened();
  if (walked) throw new TrainerError("MISUSE", "epochs() can be walked once only.");
  walked = true;
  try {
    for (;;) {
      const answer = await connection.ask({ type: "next" }, "epoch", "end");
      if (answer.type === "end") return;
      const epoch = new CurrentEpoch(connection, answer, saving);
      yield epoch;
      await epoch.finish();
    }
  } finally {
    connection.close();
  }
}
