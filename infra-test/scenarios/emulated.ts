import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import type { MetadataServer } from "../../agent/testing/metadata-server.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { stackOutputs } from "../../core/stack.ts";
import { openJournal } from "../../store/journal.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { processesNaming } from "../../test/pawl.ts";
import type { EmulatedCloud } from "../cloud/emulated-cloud.ts";
import { startLocally, withCode } from "./local-place.ts";
import type { Execution } from "./scenario.ts";
import type { Ended, Started, World } from "./world.ts";

/** A stack of the emulated cloud, and a folder of this machine. */
export interface Places {
  readonly cloud: EmulatedCloud;
  /** Deploys the stack over itself, with other job definitions. */
  readonly deployAgain: () => Promise<void>;
  /** The deployed stack's. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly stack: ObjectStore;
  readonly folder: ObjectStore;
  /** For what is trained in the folder. */
  readonly metadata: MetadataServer;
}

const lookEveryMilliseconds = 200;

const by = "alice@laptop";

/**
 * Emulated AWS: executions are started and stopped by Step Functions' API, the functions are the deployed ones, and attempts
 * are jobs of the emulated Batch.
 */
export function emulatedWorld(places: Places): World {
  const clients = { sfn: new SFNClient(), lambda: new LambdaClient() };

  return {
    store: async (place) => places[place],
    start: async (run, execution) => {
      if (execution.where === "folder")
        return await startLocally(places.folder, run, execution, places.metadata);

      return await new OnStack(places, clients, run).start(execution);
    },
    remains: (journal) => remains(places.cloud, journal),
  };
}

class OnStack {
  readonly #places: Places;
  readonly #sfn: SFNClient;
  readonly #lambda: LambdaClient;
  readonly #run: string;
  /** The execution that is under way. */
  #arn = "";

  constructor(places: Places, { sfn, lambda }: { sfn: SFNClient; lambda: LambdaClient }, run: string) {
    this.#places = places;
    this.#sfn = sfn;
    this.#lambda = lambda;
    this.#run = run;
  }

  async start(execution: Execution): Promise<Started> {
    if (execution.throttled !== undefined) await this.#places.cloud.batch.throttle(execution.throttled);
    this.#arn = await this.#begin(await withCode(this.#places.stack, execution));
    return { ended: this.#ended(), make: (fault, attempt) => this.#make(fault, attempt?.batchJobId) };
  }

  /** Gives the execution's ARN. */
  async #begin(input: unknown): Promise<string> {
    const begun = await this.#sfn.send(
      new StartExecutionCommand({
        stateMachineArn: this.#places.outputs[stackOutputs.stateMachine],
        name: `${this.#run}-${randomUUID().slice(0, 8)}`,
        input: JSON.stringify(input),
      }),
    );
    return begun.executionArn ?? "";
  }

  async #make(...[fault, jobId]: [Parameters<Started["make"]>[0], string | undefined]): Promise<void> {
    const { batch } = this.#places.cloud;
    if (fault === "stop the execution") {
      await this.#sfn.send(new StopExecutionCommand({ executionArn: this.#arn }));
    } else if (fault === "stop the run") await this.#askToStop();
    else if (fault === "start it twice") await this.#refused();
    else if (fault === "deploy again") await this.#places.deployAgain();
    else if (jobId === undefined) throw new Error(`there is no job to ${fault}`);
    else if (fault === "kill the job") await batch.killJob(jobId);
    else if (fault === "announce a reclaim") await batch.notice(jobId, 120);
    else if (fault === "out of memory") await batch.outOfMemory(jobId);
    else await batch.reclaim(jobId, "i-0123456789abcdef0");
  }

  /** As `pawl stop` asks. */
  async #askToStop(): Promise<void> {
    const { FunctionError, Payload = new Uint8Array() } = await this.#lambda.send(
      new InvokeCommand({
        FunctionName: this.#places.outputs[stackOutputs.stop],
        Payload: JSON.stringify({ run: this.#run, id: `stop-${Date.now()}`, by }),
      }),
    );
    if (FunctionError !== undefined) throw new Error(`Stop: ${Buffer.from(Payload).toString()}`);
  }

  /** Throws where a second execution could begin to train the run. */
  async #refused(): Promise<void> {
    const { error, cause } = await this.#over(await this.#begin({ run: this.#run }));
    const holder = this.#arn.slice(this.#arn.lastIndexOf(":") + 1);
    if (error === "Pawl.RunHeld" && cause?.includes(holder) === true) return;
    throw new Error(`${this.#run} was not refused: ${error}: ${cause}`);
  }

  /** Follows the execution, and each that it hands over to, until the run is at rest. */
  async #ended(): Promise<Ended> {
    for (;;) {
      const { status = "", error, cause } = await this.#over(this.#arn);
      if (status === "ABORTED") await this.#settled();
      const successor = status === "SUCCEEDED" ? await this.#successor() : undefined;
      if (successor === undefined)
        return {
          status,
          ...(error === undefined ? {} : { error }),
          ...(cause === undefined ? {} : { cause }),
        };
      this.#arn = `${this.#arn.slice(0, this.#arn.lastIndexOf(":"))}:${successor}`;
    }
  }

  async #over(executionArn: string): Promise<DescribeExecutionCommandOutput> {
    for (;;) {
      const found = await this.#sfn.send(new DescribeExecutionCommand({ executionArn }));
      if (found.status !== "RUNNING") return found;
      await sleep(lookEveryMilliseconds);
    }
  }

  /** Waits until Sweep, whom Step Functions' event of the execution's end has called, has seen to the run. */
  async #settled(): Promise<void> {
    const journal = openJournal(this.#places.stack);
    for (;;) {
      const status = (await journal.newest(this.#run))?.state.status;
      if (status !== "training" && status !== "waiting") return;
      await sleep(lookEveryMilliseconds);
    }
  }

  /** The name of the execution that this one has handed over to. */
  async #successor(): Promise<string | undefined> {
    const name = this.#arn.slice(this.#arn.lastIndexOf(":") + 1);
    for await (const { decision, state } of openJournal(this.#places.stack).entries(this.#run)) {
      if (decision.kind === "handed-over" && state.driver.execution === name) return state.successor;
    }
    return undefined;
  }
}

const over = ["SUCCEEDED", "FAILED"];

/** Jobs that have not ended, and processes that are still those of a job. */
async function remains({ batch }: EmulatedCloud, journal: readonly JournalEntry[]): Promise<string[]> {
  const claimed = journal.flatMap(({ event }) => (event.type === "started" ? [event.batchJobId] : []));
  const runs = new Set(journal.map(({ run }) => run));
  const jobs = (await batch.jobs())
    .filter(({ jobName, status }) => runs.has(jobName.replace(/-\d+$/, "")) && !over.includes(status))
    .map(({ jobName, status }) => `job ${jobName} is ${status}`);
  const processes: string[] = [];
  for (const id of claimed) {
    for (const pid of await processesNaming(id)) processes.push(`process ${pid} of job ${id}`);
  }
  return [...jobs, ...processes];
}
