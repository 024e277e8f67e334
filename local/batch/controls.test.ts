import { describe, expect, it } from "vitest";
import { temporaryFolders } from "../../store/testing/temporary-folder.ts";
import { StateError } from "../interpreter.ts";
import { BatchWorld } from "../testing/batch-world.ts";

const freshFolder = temporaryFolders({ fast: true });

/** The state machine's error, with what it was caused by. */
async function failure(submitted: Promise<unknown>): Promise<StateError> {
  const error = await submitted.then(
    () => expect.unreachable("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StateError)) throw error;
  return error;
}

describe("what can be done to the Batch of this machine", () => {
  it("refuses so many submissions as asked for, in the words of the service integration, and no more", async () => {
    const world = await BatchWorld.make(await freshFolder(), 'echo 1 > "$PAWL_CHECKPOINT_DIR/model"');
    world.batch.throttle(1);
    const { error, cause } = await failure(world.submit());
    expect(error).toBe("Batch.TooManyRequestsException");
    expect(cause).toMatch(
      /^Too Many Requests \(Service: AWSBatch; Status Code: 429; Error Code: TooManyRequestsException; Request ID: [\w-]{36}; Proxy: null\)$/,
    );
    expect(world.updates).toEqual([]);
    expect(await world.submit()).toMatchObject({ Status: "SUCCEEDED" });
  });

  it.each(["outOfMemory", "killJob"] as const)(
    "ends an attempt's job by %s with exit code 137",
    async (how) => {
      const world = await BatchWorld.make(await freshFolder(), "echo begun\nsleep 600");
      const failed = failure(world.submit());
      await world.saying("begun");
      // Another attempt's is not this one's.
      world.batch[how](2);
      world.batch[how](1);
      const { error, cause } = await failed;
      expect(error).toBe("States.TaskFailed");
      const { Container, StatusReason } = JSON.parse(cause);
      expect([Container.ExitCode, StatusReason]).toEqual([137, "Essential container in task exited"]);
      expect(Container.Reason).toBe(
        how === "outOfMemory" ? "OutOfMemoryError: Container killed due to memory usage" : undefined,
      );
    },
  );
});
