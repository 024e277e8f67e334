import { Aws } from "../aws/aws.ts";
import { PawlError } from "../core/errors.ts";
import { describeEnding, endingWords } from "./execution.ts";
import type { Stack } from "./stack.ts";

const load = () => import("../aws/sdk/sfn.ts");

/** So many of the newest failed executions are looked through. */
const looked = 100;

/**
 * Why the newest execution that was to begin `run`, or is itself called so, failed; in words. `undefined` where there is
 * none, or nobody may ask.
 */
export async function refusedExecution(
  { region, stateMachine }: Stack,
  run: string,
): Promise<string | undefined> {
  const aws = new Aws({ region });
  const client = aws.client(async () => (await load()).SFNClient);
  try {
    const { executions = [] } = await aws.run(
      { action: "states:ListExecutions", resource: stateMachine },
      async () => {
        const { ListExecutionsCommand } = await load();
        const command = new ListExecutionsCommand({
          stateMachineArn: stateMachine,
          statusFilter: "FAILED",
          maxResults: looked,
        });
        return await (await client()).send(command);
      },
    );
    const ofRun = new RegExp(`^${run}(-[0-9a-f]{12})?$`);
    const found = executions.find(({ name = "" }) => ofRun.test(name));
    if (found?.executionArn === undefined) return undefined;
    const ending = await describeEnding(aws, found.executionArn);
    return ending === undefined ? undefined : `execution ${found.name} ended: ${endingWords(ending)}`;
  } catch (error) {
    if (error instanceof PawlError) return undefined;
    throw error;
  }
}
