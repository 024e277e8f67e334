import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { stackOutputs } from "../../core/stack.ts";
import packageJson from "../../package.json" with { type: "json" };

/** What was asked, by the name of AWS's operation: `DescribeStacks`, `HeadBucket`. */
export interface Asked {
  readonly operation: string;
  /** A parameter of a query, or a field of a JSON input, as text. */
  parameter(name: string): string;
}

export type Answer =
  | { readonly xml: string }
  | { readonly json: unknown }
  | { readonly status: number; readonly headers?: Record<string, string> }
  | { readonly error: string; readonly status: number; readonly message?: string }
  | "silence";

export type Answers = Readonly<Record<string, (asked: Asked) => Answer>>;

export const denied: Answer = { error: "AccessDeniedException", status: 403, message: "no" };

const outputsXml = (outputs: Readonly<Record<string, string>>): string =>
  Object.entries(outputs)
    .map(
      ([key, value]) =>
        `<member><OutputKey>${key}</OutputKey><OutputValue>${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}</OutputValue></member>`,
    )
    .join("");

/** A stack as DescribeStacks answers it. */
export const stackXml = (
  name: string,
  outputs: Readonly<Record<string, string>>,
  status = "CREATE_COMPLETE",
  more = "",
): Answer => ({
  xml: `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>${name}</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>${status}</StackStatus>${more}<Outputs>${outputsXml(outputs)}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
});

export const noStack = (name: string): Answer => ({
  error: "ValidationError",
  status: 400,
  message: `Stack with id ${name} does not exist`,
});

interface Offered {
  readonly images: Readonly<Record<string, string>>;
  readonly instanceTypes: readonly string[];
  readonly maxVcpus: number;
}

export const pawlOutputs = (offers: Offered, more: Readonly<Record<string, string>> = {}) => ({
  [stackOutputs.version]: packageJson.version,
  [stackOutputs.name]: "Pawl",
  [stackOutputs.bucket]: "pawl-runs",
  [stackOutputs.stateMachine]: "arn:aws:states:eu-west-1:123456789012:stateMachine:Pawl-Runs",
  [stackOutputs.stop]: "arn:aws:lambda:eu-west-1:123456789012:function:Stop",
  [stackOutputs.offers]: JSON.stringify(offers),
  ...more,
});

export const offeringsXml = (offerings: readonly (readonly [string, string])[], token = ""): Answer => ({
  xml: `<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet>${offerings
    .map(
      ([type, zone]) =>
        `<item><instanceType>${type}</instanceType><locationType>availability-zone</locationType><location>${zone}</location></item>`,
    )
    .join(
      "",
    )}</instanceTypeOfferingSet>${token === "" ? "" : `<nextToken>${token}</nextToken>`}</DescribeInstanceTypeOfferingsResponse>`,
});

export const quota = (value: number): Answer => ({ json: { Quota: { Value: value } } });

const environmentArn = (market: string) =>
  `arn:aws:batch:eu-west-1:123456789012:compute-environment/${market}`;

export const jobQueues = (more: Readonly<Record<string, unknown>> = {}): Answer => ({
  json: {
    jobQueues: ["spot", "on-demand"].map((market) => ({
      jobQueueName: `Pawl-${market}`,
      state: "ENABLED",
      status: "VALID",
      computeEnvironmentOrder: [{ order: 1, computeEnvironment: environmentArn(market) }],
      ...(market === "spot" ? more : {}),
    })),
  },
});

export const environments = (more: Readonly<Record<string, unknown>> = {}): Answer => ({
  json: {
    computeEnvironments: ["spot", "on-demand"].map((market) => ({
      computeEnvironmentName: market,
      computeEnvironmentArn: environmentArn(market),
      computeResources: { type: "SPOT", maxvCpus: 64, subnets: ["subnet-1"] },
      state: "ENABLED",
      status: "VALID",
      ...(market === "spot" ? more : {}),
    })),
  },
});

const subnetsXml = (zones: readonly string[]): Answer => ({
  xml: `<DescribeSubnetsResponse><subnetSet>${zones
    .map((zone) => `<item><subnetId>subnet-1</subnetId><availabilityZone>${zone}</availabilityZone></item>`)
    .join("")}</subnetSet></DescribeSubnetsResponse>`,
});

/** An account where all is well. */
const well: Answers = {
  GetCallerIdentity: () => ({
    xml: "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
  }),
  DescribeStacks: (asked) =>
    asked.parameter("StackName") === "CDKToolkit"
      ? stackXml("CDKToolkit", { BootstrapVersion: "30" })
      : stackXml("Pawl", pawlOutputs({ images: {}, instanceTypes: ["g5"], maxVcpus: 64 })),
  HeadBucket: () => ({ status: 200 }),
  GetBucketVersioning: () => ({
    xml: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
  }),
  DescribeJobQueues: () => jobQueues(),
  DescribeComputeEnvironments: () => environments(),
  GetServiceQuota: () => quota(64),
  DescribeSubnets: () => subnetsXml(["eu-west-1a"]),
  DescribeInstanceTypeOfferings: () =>
    offeringsXml([
      ["g5.xlarge", "eu-west-1b"],
      ["g5.xlarge", "eu-west-1a"],
      ["g5.2xlarge", "eu-west-1a"],
    ]),
};

/** A stand-in for AWS's services at one address, and for a container registry: all is well but for `answers`. */
export async function standInCloud(answers: Answers = {}) {
  const all = { ...well, ...answers };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void handle(request).then(({ about, answer }) => {
      asked.push(about.operation);
      send(response, request, answer);
    });
  });
  const handle = async (request: IncomingMessage) => {
    const about = await read(request);
    const answer = all[about.operation]?.(about) ?? { error: "UnknownOperationException", status: 501 };
    return { about, answer };
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    host: `127.0.0.1:${address.port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(request: IncomingMessage): Promise<Asked> {
  const body = await text(request);
  const url = new URL(request.url ?? "/", "http://stand-in");
  const target = request.headers["x-amz-target"];
  if (typeof target === "string") return jsonAsked(target.split(".").at(-1) ?? "", body);
  if (url.pathname.startsWith("/v2/") || url.pathname === "/token")
    return {
      operation: url.pathname === "/token" ? "token" : "manifest",
      parameter: (name) =>
        name === "path"
          ? url.pathname
          : (url.searchParams.get(name) ?? String(request.headers[name.toLowerCase()] ?? "")),
    };
  const batch = /^\/v1\/(describejobqueues|describecomputeenvironments)$/.exec(url.pathname)?.[1];
  if (batch !== undefined)
    return jsonAsked(
      batch === "describejobqueues" ? "DescribeJobQueues" : "DescribeComputeEnvironments",
      body,
    );
  const query = new URLSearchParams(body);
  const action = query.get("Action");
  if (action !== null) return { operation: action, parameter: (name) => query.get(name) ?? "" };
  return {
    operation: request.method === "HEAD" ? "HeadBucket" : "GetBucketVersioning",
    parameter: () => url.pathname,
  };
}

function jsonAsked(operation: string, body: string): Asked {
  const input: unknown = JSON.parse(body);
  const fields = new Map(Object.entries(input !== null && typeof input === "object" ? input : {}));
  return {
    operation,
    parameter: (name) => {
      const value: unknown = fields.get(name);
      return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
    },
  };
}

function send(response: ServerResponse, request: IncomingMessage, answer: Answer): void {
  if (answer === "silence") return;
  if ("xml" in answer) response.writeHead(200, { "content-type": "text/xml" }).end(answer.xml);
  else if ("json" in answer)
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer.json));
  else if ("error" in answer) {
    const { error, status, message = "" } = answer;
    if (request.method === "HEAD") response.writeHead(status).end();
    else if (
      request.headers["x-amz-target"] !== undefined ||
      request.headers["content-type"] === "application/json"
    )
      response
        .writeHead(status, { "content-type": "application/json", "x-amzn-errortype": error })
        .end(JSON.stringify({ __type: error, message }));
    else
      response
        .writeHead(status, { "content-type": "text/xml" })
        .end(errorXml(request.url ?? "", error, message));
  } else response.writeHead(answer.status, answer.headers).end();
}

/** All three shapes of AWS's errors in XML at once would confuse the clients; S3's has a path. */
const errorXml = (path: string, code: string, message: string): string => {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  if (path !== "/") return error;
  return code === "UnauthorizedOperation"
    ? `<Response><Errors>${error}</Errors><RequestID>r</RequestID></Response>`
    : `<ErrorResponse>${error}<RequestId>r</RequestId></ErrorResponse>`;
};
