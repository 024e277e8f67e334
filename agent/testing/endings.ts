import { readdir } from "node:fs/promises";
import { expect } from "vitest";
import { processesNaming } from "../../test/pawl.ts";
import { type AttemptError, asAttemptError } from "../attempt-error.ts";
import type { Scene } from "./scene.ts";

/** What an attempt that does not go well ends with; nothing of it is left. */
export async function failing(of: Scene): Promise<AttemptError> {
  const error = await of.run().then(
    () => expect.unreachable("it went well"),
    (thrown: unknown) => asAttemptError(thrown),
  );
  expect(await processesNaming(of.root)).toEqual([]);
  expect(await readdir(of.folder)).not.toContain("trainer.sock");
  return error;
}
