import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  type Stack,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { region } from "../servers/server-group.ts";
import { publish, withAssembly } from "./assembly.ts";

const patienceMilliseconds = 120_000;

/** Stacks of the emulated cloud, deployed as the CDK's own command does it. */
export class Stacks {
  readonly #endpoint: string;
  readonly #client: CloudFormationClient;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
    this.#client = new CloudFormationClient({ endpoint, region });
  }

  /** Creates the stack, or updates the one that is there. Gives its outputs; throws with what failed. */
  async deploy(
    stackName: string,
    context: Readonly<Record<string, string>>,
  ): Promise<Record<string, string>> {
    return await withAssembly({ ...context, stackName }, async (folder) => {
      const template = {
        StackName: stackName,
        TemplateURL: await publish(this.#endpoint, folder, stackName),
        Capabilities: ["CAPABILITY_IAM" as const, "CAPABILITY_NAMED_IAM" as const],
      };
      const there = (await this.#find(stackName)) !== undefined;
      if (there) await this.#client.send(new UpdateStackCommand(template)).catch(unlessUnchanged);
      else await this.#client.send(new CreateStackCommand(template));
      const stack = await this.#settled(stackName);
      const status = stack?.StackStatus;
      if (status !== "CREATE_COMPLETE" && status !== "UPDATE_COMPLETE")
        throw new Error(`${stackName} is ${status}: ${await this.#failures(stackName)}`);
      return Object.fromEntries(
        (stack?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
      );
    });
  }

  /** Deletes the stack; what it keeps stays. Throws with what could not be deleted. */
  async destroy(stackName: string): Promise<void> {
    await this.#client.send(new DeleteStackCommand({ StackName: stackName }));
    const stack = await this.#settled(stackName);
    if (stack !== undefined && stack.StackStatus !== "DELETE_COMPLETE")
      throw new Error(`${stackName} is ${stack.StackStatus}: ${await this.#failures(stackName)}`);
  }

  close(): void {
    this.#client.destroy();
  }

  async #find(stackName: string): Promise<Stack | undefined> {
    const found = await this.#client
      .send(new DescribeStacksCommand({ StackName: stackName }))
      .catch((error) => {
        if (String(error).includes("does not exist")) return undefined;
        throw error;
      });
    const stack = found?.Stacks?.[0];
    return stack?.StackStatus === "DELETE_COMPLETE" ? undefined : stack;
  }

  async #settled(stackName: string): Promise<Stack | undefined> {
    const until = Date.now() + patienceMilliseconds;
    for (;;) {
      const stack = await this.#find(stackName);
      if (stack?.StackStatus?.endsWith("_IN_PROGRESS") !== true) return stack;
      if (Date.now() > until) throw new Error(`${stackName} is ${stack.StackStatus} for two minutes`);
      await sleep(200);
    }
  }

  async #failures(stackName: string): Promise<string> {
    const events = await this.#client
      .send(new DescribeStackEventsCommand({ StackName: stackName }))
      .catch(() => undefined);
    return (events?.StackEvents ?? [])
      .filter(({ ResourceStatus = "" }) => ResourceStatus.endsWith("_FAILED"))
      .map((event) => `${event.LogicalResourceId} (${event.ResourceType}): ${event.ResourceStatusReason}`)
      .join("; ")
      .slice(0, 2000);
  }
}

/** CloudFormation takes it for an error that there is nothing to change. */
const unlessUnchanged = (error: unknown): undefined => {
  if (!String(error).includes("No updates are to be performed")) throw error;
  return undefined;
};
