import { decideNext } from "../core/decide.ts";
import { refuse } from "../core/decisions/open.ts";
import { driverGoneReason } from "../core/driver-gone.ts";
import { PawlError } from "../core/errors.ts";
import type { Evidence, OpenEvent } from "../core/events.ts";
import { automaticRun } from "../core/names.ts";
import type { Next } from "../core/next.ts";
import { parseJob } from "../core/parse-job.ts";
import { ExecutionInput, OpenRequest } from "../core/requests.ts";
import { withJobs } from "./aws-ports.ts";
import { deployed } from "./deployed.ts";
import { gatherEvidence } from "./evidence.ts";
import { decideAndJournal, type JournalHead } from "./journalled.ts";
import { isOriginError, originFor } from "./origin.ts";
import { checkPlaceable } from "./placeable.ts";
import type { Ports } from "./ports.ts";

/** Opens a run for a driver: begins it, takes it over, or looks at it again after a wait. */
export const openRun =
  (ports: Ports) =>
  async (payload: unknown): Promise<Next> => {
    const { input, driver } = OpenRequest.parse(payload);
    const request = readInput(input);
    if ("refused" in request) return request.refused;
    const { run, job, source, acceptChanges, startAgain } = request;

    const observe = async (head: JournalHead | undefined): Promise<OpenEvent> => {
      const state = head?.state;
      const same = state?.driver.id === driver.id;
      const holder =
        state === undefined || same
          ? { alive: false, who: "" }
          : await ports.liveness.check(run, state.driver);
      // A hand-over goes on with what lives: nothing has happened to it.
      const isWatched = same || state?.successor === driver.execution;
      const letIn = same || !holder.alive || state?.successor === driver.execution;
      // A stack that offers less since then does not end what lives.
      if (ports.offers !== undefined && letIn && !isWatched) checkPlaceable(ports.offers, head, request);
      const origin = letIn ? await originFor(ports.store, head, request) : undefined;
      return {
        type: "open",
        run,
        driver,
        ...(job === undefined ? {} : { job }),
        ...(source === undefined ? {} : { source }),
        ...(origin === undefined ? {} : { origin }),
        acceptChanges,
        ...(startAgain === undefined ? {} : { startAgain }),
        holder,
        evidence: state === undefined || !letIn ? [] : await evidenceOnLive(ports, state, isWatched),
        random: ports.random(),
      };
    };
    try {
      return (await decideAndJournal(ports, run, 0, observe, decideNext)).reply;
    } catch (error) {
      const refused = (name: "Pawl.CheckpointNotFound" | "Pawl.JobInvalid", cause: string) =>
        refuse({ run, sequence: 0, generation: 0 }, name, cause);
      if (isOriginError(error)) return refused("Pawl.CheckpointNotFound", error.message);
      if (isJobInvalid(error)) return refused("Pawl.JobInvalid", error.message);
      throw error;
    }
  };

/** What each live attempt left; a new driver ends those that still run, since nobody watches them. */
async function evidenceOnLive(
  ports: Ports,
  state: JournalHead["state"],
  isWatched: boolean,
): Promise<Evidence[]> {
  return await Promise.all(
    state.live.map(async (attempt) => {
      const job = { run: state.run, attempt: attempt.number, batchJobId: attempt.batchJobId };
      const sight = isWatched ? await ports.jobs.look(job) : await ports.jobs.end(job, driverGoneReason);
      return await gatherEvidence(ports, state, attempt, {
        gone: !sight.running,
        stoppedAt: sight.stoppedAt,
        caught: sight.caught,
      });
    }),
  );
}

type Request = Pick<OpenEvent, "run" | "job" | "source" | "acceptChanges" | "startAgain">;

const isJobInvalid = (error: unknown): error is PawlError =>
  error instanceof PawlError && error.code === "JOB_INVALID";

function readInput(input: unknown): Request | { refused: Next } {
  const refused = (cause: string) => ({
    refused: refuse({ run: "unnamed", sequence: 0, generation: 0 }, "Pawl.JobInvalid", cause),
  });
  const parsed = ExecutionInput.safeParse(input);
  if (!parsed.success) {
    return refused(
      'the input must be {"job": {…}} or {"run": "name"}, with "source" and "acceptChanges" at most',
    );
  }
  const { job, run, source, acceptChanges = false, startAgain } = parsed.data;
  try {
    const given = job === undefined ? undefined : parseJob(job, "the input's job");
    const name = run ?? (given === undefined ? undefined : automaticRun(given.job.name, 1));
    if (name === undefined) return refused("the input names neither a job nor a run");
    return {
      run: name,
      ...(given === undefined ? {} : { job: given.input }),
      ...(source === undefined ? {} : { source }),
      acceptChanges,
      ...(startAgain === undefined ? {} : { startAgain }),
    };
  } catch (error) {
    if (isJobInvalid(error)) return refused(error.message);
    throw error;
  }
}

export const handler = deployed(openRun, withJobs);
