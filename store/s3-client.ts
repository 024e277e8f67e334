import { S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

/** How long a server may be silent. */
export interface S3Timeouts {
  readonly connectMilliseconds: number;
  /** Without a byte in either direction. */
  readonly idleMilliseconds: number;
}

export const defaultTimeouts: S3Timeouts = { connectMilliseconds: 5_000, idleMilliseconds: 20_000 };

/** Four checkpoint files at a time, with four parts each, and what else there is to say. */
const sockets = 64;

/** What S3 calls where it was founded; it answers there which region a bucket is in. */
const firstRegion = "us-east-1";

interface S3Endpoint {
  readonly url: string;
  /** Somebody named it; else it follows from the region. */
  readonly isCustom: boolean;
}

export interface S3Connection {
  readonly client: S3Client;
  /** Where requests go, once there was one. */
  endpoint(): S3Endpoint | undefined;
}

interface WithHeaders {
  readonly headers: Record<string, string>;
}

const hasHeaders = (request: unknown): request is WithHeaders =>
  typeof request === "object" && request !== null && "headers" in request;

/**
 * What commands cannot say: checksums are wanted, and verified by us over resumed reads too; the payload's digest, that is
 * signed, is the one that we have made already, or none for parts, which have their own checksums.
 */
function addHeaders(command: string | undefined, headers: Record<string, string>): void {
  if (command === "GetObjectCommand" || command === "HeadObjectCommand") {
    headers["x-amz-checksum-mode"] = "ENABLED";
  }
  if (command === "UploadPartCommand") headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
  const digest = headers["x-amz-checksum-sha256"];
  if (command === "PutObjectCommand" && digest !== undefined) {
    headers["x-amz-content-sha256"] = Buffer.from(digest, "base64").toString("hex");
  }
}

/** The region of the environment or the profile. */
async function configuredRegion(): Promise<string | undefined> {
  const probe = new S3Client({});
  try {
    return await probe.config.region();
  } catch {
    return undefined;
  } finally {
    probe.destroy();
  }
}

/**
 * A client by the SDK's own environment variables and profiles, that tries nothing again by itself. A custom endpoint is
 * addressed by path, since `bucket.localhost` is seldom a name.
 */
export async function connectS3(timeouts: S3Timeouts = defaultTimeouts): Promise<S3Connection> {
  const client = new S3Client({
    region: (await configuredRegion()) ?? firstRegion,
    maxAttempts: 1,
    expectContinueHeader: false,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connectMilliseconds,
      socketTimeout: timeouts.idleMilliseconds,
      httpAgent: { keepAlive: true, maxSockets: sockets },
      httpsAgent: { keepAlive: true, maxSockets: sockets },
    }),
  });
  let endpoint: S3Endpoint | undefined;
  const resolve = client.config.endpointProvider;
  client.config.endpointProvider = (parameters, context) => {
    const isCustom = parameters.Endpoint !== undefined;
    const resolved = resolve(
      { ...parameters, ForcePathStyle: isCustom || parameters.ForcePathStyle },
      context,
    );
    endpoint = { url: resolved.url.origin, isCustom };
    return resolved;
  };
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (hasHeaders(args.request)) addHeaders(context.commandName, args.request.headers);
      return await next(args);
    },
    { step: "build", name: "pawlHeaders" },
  );
  return { client, endpoint: () => endpoint };
}
