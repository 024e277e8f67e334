import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stackOutputs } from "../../core/stack.ts";
import packageJson from "../../package.json" with { type: "json" };
import { StandInBucket } from "./stand-in-bucket.ts";

export interface StandInStack {
  readonly name: string;
  readonly status?: string;
  readonly outputs: Readonly<Record<string, string>>;
}

export interface StandInExecution {
  readonly arn: string;
  readonly name: string;
  readonly input: unknown;
  status: "RUNNING" | "SUCCEEDED" | "FAILED" | "ABORTED";
  error?: string;
  cause?: string;
}

export const region = "eu-west-1";
export const stateMachine = `arn:aws:states:${region}:000000000000:stateMachine:Pawl-Runs`;

/** What a stack of Pawl's has put out; `more` replaces. */
export const outputs = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  [stackOutputs.version]: packageJson.version,
  [stackOutputs.name]: "Pawl",
  [stackOutputs.bucket]: "pawl-bucket",
  [stackOutputs.stateMachine]: stateMachine,
  [stackOutputs.stop]: "Pawl-Stop",
  [stackOutputs.offers]: JSON.stringify({
    images: { default: "public.ecr.aws/docker/library/python:3.13" },
    instanceTypes: ["g5", "g4dn"],
    maxVcpus: 64,
  }),
  ...more,
});

/**
 * CloudFormation, Step Functions, Lambda and S3 as far as the command line asks them, at one address on this machine:
 * the SDK's real clients speak to it. What an execution does is the test's affair.
 */
export class StandInAws implements AsyncDisposable {
  readonly stacks: StandInStack[] = [];
  readonly executions: StandInExecution[] = [];
  readonly bucket = new StandInBucket("pawl-bucket");
  /** The requests that came, such as `DescribeStacks`. */
  readonly asked: string[] = [];
  /** An error's name that every request of a service gets instead of an answer. */
  refuses: { readonly action: string; readonly error: string; readonly status?: number } | undefined;
  /** The answer to StartExecution waits for it, when the execution is there already. */
  beforeStarted: () => Promise<void> = async () => {};
  onStart: (execution: StandInExecution) => Promise<void> = async () => {};
  onInvoke: (functionName: string, payload: unknown) => Promise<unknown> = async () => ({});
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<StandInAws> {
    const aws = new StandInAws();
    aws.#server.listen(0, "127.0.0.1");
    await once(aws.#server, "listening");
    return aws;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the stand-in does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** What a process is given so that it finds this one, and nothing of the machine's own. */
  get env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    const { pathname } = new URL(request.url ?? "/", "http://stand-in");
    const path = decodeURIComponent(pathname);
    const target = String(request.headers["x-amz-target"] ?? "").split(".")[1];
    const functionName = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(path)?.[1];
    try {
      if (functionName !== undefined) await this.#invoke(response, functionName, body);
      else if (target !== undefined) await this.#states(response, target, JSON.parse(body.toString()));
      else if (path.startsWith(`/${this.bucket.name}`))
        this.bucket.answer(request, response, path.slice(this.bucket.name.length + 2), body);
      else if (path === "/") this.#describeStacks(response, new URLSearchParams(body.toString()));
      else response.writeHead(404).end("<Error><Code>NoSuchBucket</Code></Error>");
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  }

  /** Whether the request is refused, as the test wants. */
  #refused(response: ServerResponse, action: string, form: "xml" | "json"): boolean {
    this.asked.push(action);
    if (this.refuses?.action !== action) return false;
    const { error, status = 400 } = this.refuses;
    const message = "as the test wants";
    const words = form === "xml" ? errorXml(error, message) : JSON.stringify({ __type: error, message });
    response.writeHead(status, { "x-amzn-errortype": error }).end(words);
    return true;
  }

  #describeStacks(response: ServerResponse, query: URLSearchParams): void {
    const action = query.get("Action") ?? "";
    if (this.#refused(response, action, "xml")) return;
    const name = query.get("StackName");
    const found = this.stacks.filter((stack) => name === null || stack.name === name);
    if (name !== null && found.length === 0) {
      response.writeHead(400).end(errorXml("ValidationError", `Stack with id ${name} does not exist`));
      return;
    }
    const members = found.map(stackXml).join("");
    response.writeHead(200, { "content-type": "text/xml" });
    response.end(
      `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>${members}</Stacks></DescribeStacksResult></DescribeStacksResponse>`,
    );
  }

  async #states(
    response: ServerResponse,
    action: string,
    request: { name?: string; input?: string; executionArn?: string; stateMachineArn?: string },
  ): Promise<void> {
    if (this.#refused(response, action, "json")) return;
    const say = (answer: unknown) =>
      void response
        .writeHead(200, { "content-type": "application/x-amz-json-1.0" })
        .end(JSON.stringify(answer));
    if (action === "StartExecution") {
      const arn = `${stateMachine.replace(":stateMachine:", ":execution:")}:${request.name}`;
      const input: unknown = JSON.parse(request.input ?? "null");
      const execution: StandInExecution = { arn, name: request.name ?? "", input, status: "RUNNING" };
      this.executions.push(execution);
      await this.beforeStarted();
      say({ executionArn: arn, startDate: 1_790_000_000 });
      await this.onStart(execution);
      return;
    }
    if (action === "ListExecutions") {
      const failed = this.executions.filter(({ status }) => status === "FAILED");
      say({ executions: failed.map(({ arn, name, status }) => ({ executionArn: arn, name, status })) });
      return;
    }
    const found = this.executions.find(({ arn }) => arn === request.executionArn);
    if (found === undefined) {
      response
        .writeHead(400)
        .end(JSON.stringify({ __type: "ExecutionDoesNotExist", message: "no such execution" }));
      return;
    }
    const { arn, name, status, error, cause } = found;
    say({
      executionArn: arn,
      stateMachineArn: stateMachine,
      name,
      status,
      error,
      cause,
      startDate: 1_790_000_000,
    });
  }

  async #invoke(response: ServerResponse, functionName: string, body: Buffer): Promise<void> {
    if (this.#refused(response, "Invoke", "json")) return;
    try {
      const answer = await this.onInvoke(functionName, JSON.parse(body.toString()));
      response.writeHead(200).end(JSON.stringify(answer));
    } catch (error) {
      const errorType = error instanceof Error ? error.name : "Error";
      response.writeHead(200, { "x-amz-function-error": "Unhandled" });
      response.end(JSON.stringify({ errorType, errorMessage: error instanceof Error ? error.message : "" }));
    }
  }
}

const text = (value: string): string =>
  value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const errorXml = (code: string, message: string): string =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${text(message)}</Message></Error></ErrorResponse>`;

function stackXml({ name, status = "CREATE_COMPLETE", outputs: of }: StandInStack): string {
  const members = Object.entries(of).map(
    ([key, value]) =>
      `<member><OutputKey>${key}</OutputKey><OutputValue>${text(value)}</OutputValue></member>`,
  );
  return `<member><StackName>${name}</StackName><StackStatus>${status}</StackStatus><CreationTime>2026-11-21T10:00:00Z</CreationTime><Outputs>${members.join("")}</Outputs></member>`;
}
