import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { Aws } from "../aws/aws.ts";
import { Executions } from "../aws/executions.ts";
import { type Answered, AwsService, jsonError, quickPatience } from "../aws/testing/service.ts";
import { takeLease } from "../local/lease.ts";
import { openFolderStore } from "../store/folder.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { driverLiveness, ownExecutions } from "./driver-liveness.ts";
import { leaseLiveness, localExecutionId } from "./lease-liveness.ts";
import { run } from "./testing/fake-world.ts";
import { livenessContract } from "./testing/liveness-contract.ts";

const freshFolder = temporaryFolders({ fast: true });
const openStore = async () => await openFolderStore(join(await freshFolder(), "store"));
const arn = (machine: string, name: string, place = "eu-west-1:111122223333"): string =>
  `arn:aws:states:${place}:execution:${machine}:${name}`;
const Described = z.object({ executionArn: z.string() });

/** Step Functions, as far as it is asked here: executions and their statuses. */
async function stepFunctions(store?: Awaited<ReturnType<typeof openStore>>) {
  const statuses = new Map<string, string>();
  const service = await new AwsService(({ target, body }) => {
    expect(target).toBe("AWSStepFunctions.DescribeExecution");
    const { executionArn } = Described.parse(JSON.parse(body));
    const status = statuses.get(executionArn);
    if (status === undefined) return jsonError(400, "ExecutionDoesNotExist", "Execution Does Not Exist");
    return { body: { executionArn, status, stateMachineArn: "arn", startDate: 1 } };
  }).start();
  const executions = new Executions(new Aws({ patience: quickPatience }));
  const isOwn = ownExecutions({ name: "pawl", executions: arn("pawl-Runs", "") });
  const liveness = driverLiveness(executions, store ?? (await openStore()), isOwn);
  return { liveness, service, statuses };
}

const driver = { id: arn("pawl-Runs", "digits-1-a"), execution: "digits-1-a" };
const nobody = { id: arn("pawl-Runs", "nobody"), execution: "nobody" };

describe("executions on AWS", () => {
  livenessContract(async () => {
    const { liveness, statuses } = await stepFunctions();
    return {
      liveness,
      nobody,
      who: /^execution digits-1-a$/,
      begin: async () => {
        statuses.set(driver.id, "RUNNING");
        return driver;
      },
      end: async ({ id }) => void statuses.set(id, "ABORTED"),
    };
  });

  it.each([
    ["SUCCEEDED", false],
    ["FAILED", false],
    ["TIMED_OUT", false],
    ["ABORTED", false],
    ["RUNNING", true],
    ["PENDING_REDRIVE", true],
  ])("that are %s: alive is %s", async (status, alive) => {
    const { liveness, statuses } = await stepFunctions();
    statuses.set(driver.id, status);
    expect(await liveness.check(run, driver)).toMatchObject({ alive });
  });

  it.each<[string, Answered]>([
    ["throttled", jsonError(400, "ThrottlingException", "Rate exceeded")],
    ["failed by the server", { status: 500, body: { __type: "InternalServerError" } }],
    ["cut off", "lost"],
  ])("are asked for again where that was %s", async (_, fault) => {
    const { liveness, service, statuses } = await stepFunctions();
    statuses.set(driver.id, "RUNNING");
    service.first(fault, fault);
    expect(await liveness.check(run, driver)).toMatchObject({ alive: true });
    expect(service.asked).toHaveLength(3);
  });

  it("are not taken for gone where nobody may ask: the error names the execution", async () => {
    const { liveness, service } = await stepFunctions();
    service.first(jsonError(400, "AccessDeniedException", "User: x is not authorized"));
    await expect(liveness.check(run, driver)).rejects.toMatchObject({
      code: "AWS_DENIED",
      message: expect.stringContaining(driver.id),
    });
  });

  it.each(["AccessDeniedException", "InvalidArn", "StateMachineDoesNotExist"])(
    "of another stack's state machine, which a copied run can name, are gone where the answer is %s",
    async (name) => {
      const { liveness, service } = await stepFunctions();
      for (const id of [
        arn("other-Runs", "digits-1-a"),
        arn("pawl-Runs", "digits-1-a", "eu-west-1:444455556666"),
        arn("pawl-Runs", "digits-1-a", "us-east-1:111122223333"),
      ]) {
        service.first(jsonError(400, name));
        const foreign = { id, execution: "digits-1-a" };
        expect(await liveness.check(run, foreign), id).toMatchObject({ alive: false });
      }
    },
  );

  it("are this stack's by the machine's name where the deployment does not say where they are", () => {
    const isOwn = ownExecutions({ name: "pawl", executions: undefined });
    expect(isOwn(driver.id)).toBe(true);
    expect(isOwn(arn("other-Runs", "digits-1-a"))).toBe(false);
  });
});

describe("processes on somebody's machine", () => {
  for (const who of ["a machine of one's own", "a stack"]) {
    describe(`as ${who} sees them`, () => {
      livenessContract(async () => {
        const store = await openStore();
        const liveness = who === "a stack" ? (await stepFunctions(store)).liveness : leaseLiveness(store);
        const held: { release(): Promise<void> }[] = [];
        return {
          liveness,
          nobody: { id: localExecutionId("nobody", "digits-1-x"), execution: "digits-1-x" },
          who: new RegExp(`^process ${process.pid} on .+ since `),
          begin: async () => {
            const lease = await takeLease(store, run);
            held.push(lease);
            return { id: localExecutionId(lease.holder, "digits-1-x"), execution: "digits-1-x" };
          },
          end: async () => await held[0]?.release(),
        };
      });
    });
  }

  it("are asked for in the store alone", async () => {
    const { liveness, service } = await stepFunctions();
    await liveness.check(run, { id: localExecutionId("some", "x"), execution: "x" });
    expect(service.asked).toEqual([]);
  });
});
