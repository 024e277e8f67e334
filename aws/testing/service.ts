import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { onTestFinished, vi } from "vitest";
import type { Clock } from "../../store/s3-retry.ts";

/** A request as a service of AWS gets it. */
export interface Asked {
  readonly path: string;
  /** `AWSStepFunctions.DescribeExecution`, of those services that say it so. */
  readonly target: string | undefined;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

/** What it answers; `lost`: the connection breaks before anything is done, `done-and-lost` after; `silent`: nothing comes. */
export type Answered =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  | "lost"
  | "done-and-lost"
  | "silent";

/** A stand-in for services of AWS over real HTTP, in the way that their clients find an emulator. */
export class AwsService {
  /** Every request, in order. */
  readonly asked: Asked[] = [];
  readonly #first: Answered[] = [];
  readonly #answer: (asked: Asked) => Answered | Promise<Answered>;
  readonly #server = createServer((request, response) => void this.#hear(request, response));
  url = "";

  constructor(answer: (asked: Asked) => Answered | Promise<Answered>) {
    this.#answer = answer;
  }

  /** Answers the next requests like this, before any is looked at. */
  first(...answers: readonly Answered[]): void {
    this.#first.push(...answers);
  }

  /** Listens, and is where the SDK looks for all services until the test ends. */
  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it listens nowhere");
    this.url = `http://127.0.0.1:${address.port}`;
    for (const [name, value] of Object.entries(this.environment)) vi.stubEnv(name, value);
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      this.#server.closeAllConnections();
      await new Promise((resolve) => this.#server.close(resolve));
    });
    return this;
  }

  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.url,
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
      AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
  }

  async #hear(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const target = request.headers["x-amz-target"];
    const asked = { path: request.url ?? "", target: target?.toString(), body, headers: request.headers };
    this.asked.push(asked);
    const answer = this.#first.shift() ?? (await this.#answer(asked));
    if (answer === "silent") return;
    if (answer === "done-and-lost") await this.#answer(asked);
    if (answer === "lost" || answer === "done-and-lost") {
      request.socket.destroy();
      return;
    }
    const { status = 200, headers = {}, body: said = {} } = answer;
    const text = typeof said === "string" ? said : JSON.stringify(said);
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
  }
}

/** An error as REST-JSON services say it. */
export const restError = (status: number, name: string, message = "no"): Answered => ({
  status,
  headers: { "x-amzn-errortype": name },
  body: { message },
});

/** An error as JSON services say it. */
export const jsonError = (status: number, name: string, message = "no"): Answered => ({
  status,
  body: { __type: `com.amazonaws.service#${name}`, message },
});

/** Waits that do not take their time, for tests of what is tried again. */
export const quickPatience = {
  totalMilliseconds: 5_000,
  firstWaitMilliseconds: 1,
  longestWaitMilliseconds: 5,
};

/** A clock that goes on only while somebody waits by it; chance is a half. */
export function virtualClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  let now = 0;
  return {
    waits,
    now: () => now,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      now += milliseconds;
    },
    random: () => 0.5,
  };
}
