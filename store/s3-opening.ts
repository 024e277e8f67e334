import { ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { PawlError } from "../core/errors.ts";
import { systemCode } from "./folder-errors.ts";
import { isRefusal } from "./s3-failures.ts";
import type { S3Requests } from "./s3-requests.ts";
import type { Patience } from "./s3-retry.ts";

function notAnAddress(error: unknown, address: string): PawlError {
  const name = process.env.AWS_ENDPOINT_URL_S3 === undefined ? "AWS_ENDPOINT_URL" : "AWS_ENDPOINT_URL_S3";
  return new PawlError("STORE_ADDRESS", `the endpoint for ${address} is no URL`, {
    next: `Begin it with http:// or https:// in ${name}, or in the profile.`,
    details: { address },
    cause: error,
  });
}

/** What the SDK throws for an endpoint that it cannot read as an http: or https: URL. */
const isBadUrl = (error: unknown): boolean =>
  (error instanceof Error && error.name === "EndpointError") ||
  ["ERR_INVALID_URL", "ERR_INVALID_PROTOCOL"].includes(systemCode(error) ?? "");

/** One cheap request that shows whether the bucket is there and these credentials may use it. */
export async function proveAccess(requests: S3Requests, patience: Patience): Promise<void> {
  const { Bucket, Key: Prefix } = requests.at("");
  await requests.run(
    "open",
    undefined,
    async () => {
      const command = new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 });
      const answer = await requests.client.send(command).catch((error: unknown) => {
        throw isBadUrl(error) ? notAnAddress(error, requests.place.address) : error;
      });
      if (answer.Name !== undefined || answer.KeyCount !== undefined) return;
      const where = requests.endpoint ?? "the endpoint";
      throw new PawlError("STORE_ADDRESS", `what answers at ${where} is not S3`, {
        next: "See AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3, also those of the profile.",
        details: { address: requests.place.address, endpoint: where },
      });
    },
    { patience },
  );
}

/** Among the store's own keys. Nothing reads it. */
const probe = ".conditions";

/**
 * Shows whether a server keeps to the conditions of writes, by which one of two writers wins: some S3 servers take a
 * conditional write and overwrite. Errors: STORE_UNWRITABLE.
 */
export async function proveConditions(requests: S3Requests, patience: Patience): Promise<void> {
  const isDone = async (condition: { IfMatch: string } | { IfNoneMatch: string }): Promise<boolean> => {
    const command = new PutObjectCommand({
      ...requests.at(probe),
      ...condition,
      Body: "pawl has seen whether this server keeps to If-Match and If-None-Match\n",
    });
    try {
      await requests.client.send(command);
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  };
  const isBlind = async () => {
    if (await isDone({ IfMatch: '"00000000000000000000000000000000"' })) return true;
    const isFirst = await isDone({ IfNoneMatch: "*" });
    return isFirst && (await isDone({ IfNoneMatch: "*" }));
  };
  if (!(await requests.run("open", undefined, isBlind, { patience }))) return;
  const { address } = requests.place;
  const told = `the server at ${requests.endpoint} does not keep to If-Match and If-None-Match, so two writers could overwrite each other in ${address}`;
  throw new PawlError("STORE_UNWRITABLE", told, {
    next: "Use a server, or a newer version of it, that has conditional writes.",
    details: { address, endpoint: requests.endpoint },
  });
}
