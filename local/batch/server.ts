import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { control } from "./control.ts";
import { JobDefinitions } from "./definitions.ts";
import { AccountJobs } from "./jobs.ts";
import type { Mount } from "./mounts.ts";
import type { Account } from "./names.ts";
import { Queues } from "./queues.ts";
import { refused, ServiceError } from "./service-error.ts";
import { Tags } from "./tags.ts";

export interface BatchServerOptions {
  /** Port on the loopback interface; 0, as where it is absent, is any that is free. */
  readonly port?: number;
  readonly mounts?: readonly Mount[];
  /** What every job is given beside what is submitted; the server's PATH and HOME unless other ones are named. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Virtual CPUs of all jobs at once; a job that does not fit waits. Default: no limit. */
  readonly maxVcpus?: number;
  /** Milliseconds that a job is STARTING, as it is while an instance comes. Default: 0. */
  readonly startDelay?: number;
  /** Milliseconds between SIGTERM and SIGKILL. Default: 30,000, as on an instance. */
  readonly stopDelay?: number;
  readonly account?: Partial<Account>;
}

export interface BatchServer {
  /** `http://127.0.0.1:<port>`. */
  readonly address: string;
  readonly jobs: AccountJobs;
  /** Ends every job and the server. */
  close(): Promise<void>;
}

type Operation = (body: unknown) => object;

/** No request of Batch's is larger. */
const largestBody = 1_000_000;

/** AWS Batch's REST-JSON API on the loopback interface; jobs are processes of this machine. */
export async function startBatchServer(options: BatchServerOptions = {}): Promise<BatchServer> {
  const { port = 0, mounts = [], environment = {}, startDelay = 0, stopDelay = 30_000 } = options;
  const account: Account = { id: "000000000000", region: "us-east-1", ...options.account };
  const folder = await mkdtemp(join(tmpdir(), "pawl-batch-"));
  const definitions = new JobDefinitions(account);
  const queues = new Queues(account);
  const { PATH = "/usr/local/bin:/usr/bin:/bin", HOME = "/" } = process.env;
  const jobs = new AccountJobs({
    account,
    definitions,
    queues,
    folder,
    mounts,
    environment: { PATH, HOME, ...environment },
    ...(options.maxVcpus === undefined ? {} : { maxVcpus: options.maxVcpus }),
    startMilliseconds: startDelay,
    stopMilliseconds: stopDelay,
  });
  const operations = operationsOf(definitions, queues, jobs);
  const tags = new Tags((arn) => definitions.has(arn) || queues.has(arn) || jobs.has(arn));
  const answer = async (request: IncomingMessage): Promise<object> => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const { pathname } = url;
    // A web page in this machine's browser could else run programs here.
    if (request.headers.origin !== undefined) throw refused("pages in browsers are not served");
    const body = await readBody(request);
    if (pathname.startsWith("/_pawl/")) return control(jobs, pathname, body);
    if (pathname.startsWith("/v1/tags/")) return tags.answer(request.method ?? "GET", url, body);
    const operation = operations[pathname.slice("/v1/".length)];
    if (!pathname.startsWith("/v1/") || operation === undefined)
      throw refused(`${request.method} ${pathname} is not emulated`);
    return operation(body);
  };
  const server = createServer((request, response) => {
    answer(request).then(
      (result) => send(response, 200, result),
      (error: unknown) => sendError(response, error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address();
  if (typeof bound !== "object" || bound === null) throw new TypeError("the server has no port");
  return {
    address: `http://127.0.0.1:${bound.port}`,
    jobs,
    async close() {
      server.close();
      await jobs.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const operationsOf = (
  definitions: JobDefinitions,
  queues: Queues,
  jobs: AccountJobs,
): Record<string, Operation> => ({
  submitjob: (body) => jobs.submit(body),
  describejobs: (body) => jobs.describe(body),
  listjobs: (body) => jobs.list(body),
  terminatejob: (body) => jobs.terminate(body),
  canceljob: (body) => jobs.cancel(body),
  registerjobdefinition: (body) => definitions.register(body),
  deregisterjobdefinition: (body) => definitions.deregister(body),
  describejobdefinitions: (body) => definitions.describe(body),
  createcomputeenvironment: (body) => queues.createEnvironment(body),
  updatecomputeenvironment: (body) => {
    const answer = queues.updateEnvironment(body);
    jobs.place();
    return answer;
  },
  deletecomputeenvironment: (body) => queues.deleteEnvironment(body),
  describecomputeenvironments: (body) => queues.describeEnvironments(body),
  createjobqueue: (body) => queues.createQueue(body),
  updatejobqueue: (body) => queues.updateQueue(body),
  deletejobqueue: (body) => queues.deleteQueue(body),
  describejobqueues: (body) => queues.describeQueues(body),
});

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += chunk;
    if (text.length > largestBody) throw refused("the request is too large");
  }
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    throw refused("the request is not JSON");
  }
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "x-amzn-requestid": randomUUID(),
    ...headers,
  });
  response.end(text);
}

function sendError(response: ServerResponse, error: unknown): void {
  const known =
    error instanceof ServiceError
      ? error
      : error instanceof z.ZodError
        ? refused(z.prettifyError(error))
        : new ServiceError("ServerException", String(error), 500);
  send(response, known.status, { message: known.message }, { "x-amzn-errortype": known.code });
}
