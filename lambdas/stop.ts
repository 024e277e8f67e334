import { decideStop } from "../core/decide.ts";
import { PawlError } from "../core/errors.ts";
import type { StopEvent } from "../core/events.ts";
import { type StopAnswer, StopRequest, terminationReason } from "../core/stop.ts";
import { withJobs } from "./aws-ports.ts";
import { deployed } from "./deployed.ts";
import { decideAndJournal, readHead } from "./journalled.ts";
import { isLocalExecution } from "./lease-liveness.ts";
import type { Ports } from "./ports.ts";

/**
 * Journals somebody's intent that a run stop; asked again with the same id, tells how far the run is with it, and makes
 * the stop final where its driver did not live to. Throws RUN_NOT_FOUND.
 */
export const stopRun =
  (ports: Pick<Ports, "journal" | "liveness" | "now" | "limits" | "onEntry">) =>
  async (payload: unknown): Promise<StopAnswer> => {
    const { run, id, by, sequence } = StopRequest.parse(payload);
    const { reply } = await decideAndJournal(
      ports,
      run,
      sequence,
      async (head): Promise<StopEvent> => {
        if (head === undefined) {
          throw new PawlError("RUN_NOT_FOUND", `there is no run ${run}`, { details: { run } });
        }
        return { type: "stop", run, id, by, holder: await ports.liveness.check(run, head.state.driver) };
      },
      decideStop,
    );
    return reply;
  };

/**
 * The same on AWS, where nothing but Batch reaches an attempt: those that live are ended too, so that they save what they
 * have and leave. Those of a driver on somebody's machine are that one's to end.
 */
export const stopOnAws =
  (ports: Pick<Ports, "journal" | "liveness" | "now" | "limits" | "onEntry" | "jobs">) =>
  async (payload: unknown): Promise<StopAnswer> => {
    const { run, sequence } = StopRequest.parse(payload);
    const before = await readHead(ports, run, sequence);
    const answer = await stopRun(ports)(payload);
    if (answer.action !== "stopping" && answer.action !== "stopped") return answer;
    const after = await readHead(ports, run, answer.sequence);
    // Where the driver is gone, the stop is final already, and what it left running is no more in the state.
    const heads = [before, after].flatMap((head) => (head === undefined ? [] : [head.state]));
    const live = new Map(
      heads
        .filter(({ driver }) => !isLocalExecution(driver.id))
        .flatMap((state) => state.live.map((attempt) => [attempt.number, attempt])),
    );
    const reason = terminationReason(answer.stop);
    for (const { number: attempt, batchJobId } of live.values())
      await ports.jobs.end({ run, attempt, batchJobId }, reason);
    return answer;
  };

export const handler = deployed(stopOnAws, withJobs);
