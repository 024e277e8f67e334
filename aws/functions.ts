import * as z from "zod";
import { PawlError } from "../core/errors.ts";
import type { Aws, CallOptions } from "./aws.ts";

const load = () => import("./sdk/lambda.ts");

/** Lambda takes and gives no more at once where it is waited for, in bytes. */
export const mostPayloadBytes = 6 * 1024 * 1024;

/** A function's own error, as Lambda tells it. */
const Thrown = z.object({ errorType: z.string().optional(), errorMessage: z.string().optional() });

/** The function failed, rather than the way to it. */
export class FunctionError extends Error {
  /** The error's name in the function: `Pawl.StoreUnreachable`, `Sandbox.Timedout` … */
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.name = "FunctionError";
    this.type = type;
  }
}

/** What is asked of Lambda. */
export class Functions {
  readonly #aws: Aws;
  readonly #client;

  constructor(aws: Aws) {
    this.#aws = aws;
    this.#client = aws.client(async () => (await load()).LambdaClient);
  }

  /** Asks a function and waits for its answer. Throws FunctionError where it failed, and the errors of `Aws.run`. */
  async invoke(name: string, payload: unknown, options: CallOptions = {}): Promise<unknown> {
    const Payload = Buffer.from(JSON.stringify(payload));
    const { signal } = options;
    return await this.#aws.run(
      { action: "lambda:InvokeFunction", resource: name },
      async () => {
        const { InvokeCommand } = await load();
        const command = new InvokeCommand({ FunctionName: name, InvocationType: "RequestResponse", Payload });
        const client = await this.#client();
        const answer = await client.send(command, signal === undefined ? {} : { abortSignal: signal });
        const text = Buffer.from(answer.Payload ?? []).toString("utf8");
        if (answer.FunctionError !== undefined) throw thrown(text);
        return parsed(text, name);
      },
      options,
    );
  }
}

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PawlError("AWS_FAILED", `the function ${name} answered what is not JSON`, {
      next: "See the function's log.",
      details: { action: "lambda:InvokeFunction", resource: name, error: "NotJson" },
      cause,
    });
  }
}

function thrown(text: string): FunctionError {
  let said: z.infer<typeof Thrown> = {};
  try {
    said = Thrown.parse(JSON.parse(text));
  } catch {
    // It says nothing that can be read.
  }
  return new FunctionError(
    said.errorType ?? "Unhandled",
    (said.errorMessage ?? "it gave no reason").slice(0, 2000),
  );
}
