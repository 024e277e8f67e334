import * as z from "zod";
import { ReviewReply } from "../core/answers.ts";
import { PawlError } from "../core/errors.ts";
import type { AttemptRequest } from "../core/requests.ts";
import { AttemptError } from "./attempt-error.ts";

/** The Review function, as an attempt asks it. */
export interface Reviewer {
  review(request: AttemptRequest): Promise<ReviewReply>;
}

/** What goes over the pipe between an agent and the local driver. */
export const PipeRequest = z.object({ id: z.int(), request: z.unknown() });
export const PipeReply = z.union([
  z.object({ id: z.int(), reply: ReviewReply }),
  z.object({ id: z.int(), error: z.object({ message: z.string(), full: z.boolean() }) }),
]);
export type PipeReply = z.infer<typeof PipeReply>;

const Addressed = z.object({ id: z.int() });

/** The end of the pipe that an agent holds: the process itself, or a test's stand-in. */
export interface Pipe {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

interface Waiting {
  resolve(reply: ReviewReply): void;
  reject(error: Error): void;
}

/** Asks Review through the control pipe to the driver. Where the pipe closes, the agent ends, so nothing waits forever. */
export function pipeReviewer(pipe: Pipe): Reviewer {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  pipe.onMessage((message) => {
    const addressed = Addressed.safeParse(message);
    if (!addressed.success) return;
    const caller = waiting.get(addressed.data.id);
    waiting.delete(addressed.data.id);
    if (caller === undefined) return;
    const parsed = PipeReply.safeParse(message);
    if (!parsed.success) {
      // Whoever waits for it must not wait forever.
      const why = z.prettifyError(parsed.error);
      caller.reject(new AttemptError("unknown", `Review's answer is not understood: ${why}`));
      return;
    }
    const reply = parsed.data;
    if ("reply" in reply) caller.resolve(reply.reply);
    else if (reply.error.full) caller.reject(new PawlError("STORE_FULL", reply.error.message));
    else
      caller.reject(
        new AttemptError("store-failed", `the decision could not be made: ${reply.error.message}`),
      );
  });
  return {
    review(request) {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        pipe.send({ id, request });
      });
    },
  };
}
