import type { DescribeExecutionOutput } from "@aws-sdk/client-sfn";
import type { Aws } from "./aws.ts";
import { isNamed } from "./errors.ts";

const load = () => import("./sdk/sfn.ts");

/** Whether an execution of this status lives: one that waits for its redrive goes on. */
export const isRunning = (status: string | undefined): boolean =>
  status === "RUNNING" || status === "PENDING_REDRIVE";

/** What is asked of Step Functions. */
export class Executions {
  readonly #aws: Aws;
  readonly #client;

  constructor(aws: Aws) {
    this.#aws = aws;
    this.#client = aws.client(async () => (await load()).SFNClient);
  }

  /** `undefined` for one that there is not, or no more: it is kept for 90 days. */
  async describe(executionArn: string): Promise<DescribeExecutionOutput | undefined> {
    try {
      return await this.#aws.run({ action: "states:DescribeExecution", resource: executionArn }, async () => {
        const { DescribeExecutionCommand } = await load();
        return await (await this.#client()).send(new DescribeExecutionCommand({ executionArn }));
      });
    } catch (error) {
      if (isNamed(error, "ExecutionDoesNotExist")) return undefined;
      throw error;
    }
  }

  /**
   * Starts an execution; the same name with the same input starts it once. Errors: besides the usual AWS_FAILED, whose
   * `details.error` is `ExecutionAlreadyExists` where that name was used for something else, or has ended.
   */
  async start(stateMachineArn: string, name: string, input: string): Promise<string> {
    const about = { action: "states:StartExecution", resource: stateMachineArn };
    const { executionArn } = await this.#aws.run(about, async () => {
      const { StartExecutionCommand } = await load();
      return await (await this.#client()).send(new StartExecutionCommand({ stateMachineArn, name, input }));
    });
    return executionArn ?? "";
  }

  /** Stops an execution at once: its Batch job with it, without a word to what it trains. */
  async stop(executionArn: string, cause: string): Promise<void> {
    await this.#aws.run({ action: "states:StopExecution", resource: executionArn }, async () => {
      const { StopExecutionCommand } = await load();
      await (await this.#client()).send(new StopExecutionCommand({ executionArn, cause }));
    });
  }
}
