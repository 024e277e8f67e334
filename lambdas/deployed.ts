import { PawlError } from "../core/errors.ts";
import type { Ports } from "./ports.ts";

/**
 * A handler as Lambda runs it, with the ports of AWS. The liveness of executions and Batch jobs belong to the
 * deployment, which this version synthesises but cannot run yet: until then a function says so, and changes nothing.
 */
export const deployed =
  <Reply>(_handler: (ports: Ports) => (payload: unknown) => Promise<Reply>) =>
  async (_payload: unknown): Promise<Reply> => {
    throw new PawlError(
      "STORE_ADDRESS",
      "this version of Pawl cannot run on AWS yet: it asks neither Step Functions nor Batch",
      {
        next: "Train with 'pawl train' on this machine.",
      },
    );
  };
