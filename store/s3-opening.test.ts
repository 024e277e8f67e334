import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openStore } from "./open-store.ts";
import { openS3Store, type S3Options } from "./s3.ts";
import { testClock } from "./testing/test-clock.ts";

/** An answer with S3's own way of telling an error. */
interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

type Answers = (request: IncomingMessage) => Answer;

const listing: Answer = {
  status: 200,
  body: "<ListBucketResult><Name>runs</Name><KeyCount>0</KeyCount></ListBucketResult>",
};

const secret = "wJalrXUtnFEMI-very-secret";

let server: Server;
let endpoint: string;
let answers: Answers;
let seen: IncomingMessage[];

const patience = { totalMilliseconds: 300, firstWaitMilliseconds: 1, longestWaitMilliseconds: 20 };

/** Waits for nothing: only its own sleep counts against its patience, and a machine that stands still does not. */
const brief: S3Options = { clock: testClock(1).clock, openingPatience: patience, patience };

function respond(request: IncomingMessage, response: ServerResponse): void {
  seen.push(request);
  request.resume();
  const { status, code, headers = {}, body } = answers(request);
  response.writeHead(status, { "content-type": "application/xml", ...headers });
  if (request.method === "HEAD") response.end();
  else response.end(body ?? `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

beforeEach(async () => {
  answers = () => listing;
  seen = [];
  server = createServer(respond);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  endpoint = typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
  // Nothing of the machine's own set-up comes in.
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  vi.stubEnv("AWS_ENDPOINT_URL", endpoint);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", secret);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const failureOf = async (opening: Promise<unknown>): Promise<unknown> =>
  await opening.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("opening a store in S3", () => {
  it("asks a custom endpoint by path, for one key below the prefix, in a region by default", async () => {
    const store = await openStore("s3://runs/team a", "read");
    expect(store.address).toBe("s3://runs/team a");
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /runs/?list-type=2&max-keys=1&prefix=team%20a%2F",
    ]);
    expect(seen[0]?.headers.authorization).toContain("/us-east-1/s3/");
  });

  it("takes endpoint, region and credentials from a profile", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pawl-profile-"));
    try {
      const config = join(folder, "config");
      await writeFile(
        config,
        `[profile lab]\nendpoint_url = ${endpoint}\nregion = eu-north-1\naws_access_key_id = LABKEY\naws_secret_access_key = x\n`,
      );
      for (const name of ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
        vi.stubEnv(name, undefined);
      vi.stubEnv("AWS_CONFIG_FILE", config);
      vi.stubEnv("AWS_PROFILE", "lab");
      await openStore("s3://runs", "read");
      expect(seen[0]?.headers.authorization).toMatch(/Credential=LABKEY\/\d+\/eu-north-1\/s3/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says what is wrong and what to do, without a secret, and at once where time does not help", async () => {
    const cases: [Answer, string, RegExp, RegExp][] = [
      [
        { status: 404, code: "NoSuchBucket" },
        "STORE_NOT_FOUND",
        /there is no bucket runs/,
        /Make the bucket/,
      ],
      [
        { status: 301, code: "PermanentRedirect", headers: { "x-amz-bucket-region": "eu-west-1" } },
        "STORE_NOT_FOUND",
        /in the region eu-west-1/,
        /Set AWS_REGION to eu-west-1\./,
      ],
      [
        {
          status: 400,
          body: "<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message><Region>ap-south-1</Region></Error>",
        },
        "STORE_NOT_FOUND",
        /in the region ap-south-1/,
        /Set AWS_REGION to ap-south-1\./,
      ],
      [{ status: 403, code: "AccessDenied" }, "STORE_DENIED", /not allowed/, /list the bucket/],
      [{ status: 403, code: "InvalidAccessKeyId" }, "STORE_CREDENTIALS", /not valid/, /key id/],
      [{ status: 403, code: "SignatureDoesNotMatch" }, "STORE_CREDENTIALS", /not valid/, /secret/],
      [{ status: 400, code: "ExpiredToken" }, "STORE_CREDENTIALS", /expired/, /Log in again/],
      [
        { status: 200, body: "<html><body>Welcome</body></html>" },
        "STORE_ADDRESS",
        /is not S3/,
        /AWS_ENDPOINT_URL/,
      ],
      [{ status: 404, body: "<html>Not found</html>" }, "STORE_FAILED", /404/, /\./],
    ];
    for (const [answer, code, message, next] of cases) {
      answers = () => answer;
      seen = [];
      const failure = await failureOf(openS3Store("s3://runs/x", "write", brief));
      const name = answer.code ?? answer.body;
      expect(failure, name).toMatchObject({
        name: "PawlError",
        code,
        message: expect.stringMatching(message),
        next: expect.stringMatching(next),
      });
      expect(String(failure), name).toContain(endpoint);
      expect(JSON.stringify([failure, String(failure)]), name).not.toContain(secret);
      expect(seen, name).toHaveLength(1);
    }
  });

  it("tells that there are no credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_CREDENTIALS",
      message: expect.stringMatching(/there are no credentials/),
      next: expect.stringMatching(/AWS_PROFILE/),
    });
    vi.stubEnv("AWS_PROFILE", "mistyped");
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_CREDENTIALS",
      message: expect.stringMatching(/in the profile mistyped/),
    });
    expect(seen).toEqual([]);
  });

  it("tells a server that does not answer, is busy, or is not there, after some tries", async () => {
    answers = () => ({ status: 503, code: "SlowDown" });
    const busy = await failureOf(openS3Store("s3://runs", "write", brief));
    expect(busy).toMatchObject({
      code: "STORE_UNREACHABLE",
      message: expect.stringMatching(/busy or failing/),
    });
    expect(seen.length).toBeGreaterThan(2);
    vi.stubEnv("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_UNREACHABLE",
      message: expect.stringMatching(/at http:\/\/127\.0\.0\.1:1: nothing answers there/),
    });
    vi.stubEnv("AWS_ENDPOINT_URL", endpoint.replace("http:", "https:"));
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_UNREACHABLE",
      message: expect.stringMatching(/no TLS connection/),
    });
  });

  it("tells an endpoint that is no address", async () => {
    for (const wrong of ["localhost", "127.0.0.1:4566", "localhost:4566", "ftp://localhost"]) {
      vi.stubEnv("AWS_ENDPOINT_URL", wrong);
      expect(await failureOf(openS3Store("s3://runs", "write", brief)), wrong).toMatchObject({
        code: "STORE_ADDRESS",
        next: expect.stringMatching(/AWS_ENDPOINT_URL/),
      });
    }
  });

  it("refuses a server that overwrites in spite of a condition, unless it is only read", async () => {
    const blind: Answers = ({ method }) =>
      method === "PUT" ? { status: 200, headers: { etag: '"x"' }, body: "" } : listing;
    answers = blind;
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_UNWRITABLE",
      message: expect.stringMatching(/does not keep to If-Match and If-None-Match/),
    });
    await openS3Store("s3://runs", "read", brief);
    answers = (request) =>
      request.headers["if-match"] === undefined
        ? blind(request)
        : { status: 412, code: "PreconditionFailed" };
    expect(await failureOf(openS3Store("s3://runs", "write", brief))).toMatchObject({
      code: "STORE_UNWRITABLE",
    });
  });

  it("is told later, too, what a HEAD cannot say", async () => {
    const store = await openS3Store("s3://runs", "read", brief);
    answers = ({ method }) => (method === "HEAD" ? { status: 400 } : { status: 400, code: "ExpiredToken" });
    await expect(store.has("k")).rejects.toMatchObject({ code: "STORE_CREDENTIALS", details: { key: "k" } });
  });

  it("takes an error that comes with status 200 for an error", async () => {
    answers = ({ method }) => (method === "PUT" ? { status: 412, code: "PreconditionFailed" } : listing);
    const store = await openS3Store("s3://runs", "write", brief);
    answers = ({ method, url = "" }) => {
      if (method === "HEAD") return { status: 404 };
      if (method === "DELETE") return { status: 204, body: "" };
      if (url.includes("uploads")) return { status: 200, body: "<R><UploadId>u</UploadId></R>" };
      if (method === "PUT") return { status: 200, headers: { etag: '"p"' }, body: "" };
      return { status: 200, code: "InternalError" };
    };
    const body = async function* () {
      for (let i = 0; i < 9; i += 1) yield Buffer.alloc(1024 * 1024);
    };
    await expect(store.create("k", body())).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  });
});
