import * as z from "zod";
import { decideNext } from "../core/decide.ts";
import type { FailedEvent } from "../core/events.ts";
import type { Next } from "../core/next.ts";
import { RecoverRequest } from "../core/requests.ts";
import { deployed } from "./deployed.ts";
import { evidenceOn } from "./evidence.ts";
import { decideAndJournal } from "./journalled.ts";
import type { DecidingPorts } from "./ports.ts";

const JobId = z.object({ JobId: z.string() });

/** The Batch job that the state machine watched; only States.TaskFailed carries it. */
function failedJobId(error: string, cause: string | undefined): string | undefined {
  if (error !== "States.TaskFailed" || cause === undefined) return undefined;
  try {
    return JobId.safeParse(JSON.parse(cause)).data?.JobId;
  } catch {
    return undefined;
  }
}

/** Decides what follows a failed Train: another attempt, a wait, or the end. */
export const recoverRun =
  (ports: DecidingPorts) =>
  async (payload: unknown): Promise<Next> => {
    const { run, generation, sequence, attempt, error } = RecoverRequest.parse(payload);
    const caught = { error: error.Error, cause: error.Cause };
    const { reply } = await decideAndJournal(
      ports,
      run,
      sequence,
      async (head): Promise<FailedEvent> => {
        const batchJobId = failedJobId(caught.error, caught.cause);
        const evidence = await evidenceOn(ports, head?.state, attempt, { gone: true, caught, batchJobId });
        return { type: "failed", run, generation, attempt, evidence, random: ports.random() };
      },
      decideNext,
    );
    return reply;
  };

export const handler = deployed(recoverRun, ({ ports }) => ports);
