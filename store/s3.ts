import { PawlError } from "../core/errors.ts";
import { canBePrefix, checkKey } from "./object-key.ts";
import type {
  Body,
  ListedObject,
  ObjectStore,
  SmallObject,
  StreamedObject,
  WriteOptions,
  Written,
} from "./object-store.ts";
import type { StoreAccess } from "./open-store.ts";
import { parseS3Address } from "./s3-address.ts";
import { connectS3, defaultTimeouts, type S3Timeouts } from "./s3-client.ts";
import { download } from "./s3-download.ts";
import { listChildNames, listKeys } from "./s3-list.ts";
import { getObject, headObject, removeObject } from "./s3-objects.ts";
import { proveAccess, proveConditions } from "./s3-opening.ts";
import { S3Requests } from "./s3-requests.ts";
import { type Clock, defaultPatience, type Patience, systemClock } from "./s3-retry.ts";
import { putStream } from "./s3-upload.ts";
import { formatVersion, parseVersion } from "./s3-versions.ts";
import { put, startWrite, type Write } from "./s3-writes.ts";

export interface S3Options {
  readonly clock?: Clock;
  readonly patience?: Patience;
  /** For the requests that open the store: whoever mistypes an address waits for it. */
  readonly openingPatience?: Patience;
  readonly timeouts?: S3Timeouts;
}

const defaultOpeningPatience: Patience = { ...defaultPatience, totalMilliseconds: 8_000 };

/** More than this goes out in parts, so that a broken connection costs one of them. */
const largestPutBytes = 16 * 1024 * 1024;

/**
 * A bucket, or what is below a prefix in it, as a store; at Amazon or at any other S3 endpoint, by the SDK's own environment
 * variables and profiles. One request shows that the bucket is there and may be used; where others than Amazon are to be
 * written to, two more show that they keep to conditions. Errors: STORE_ADDRESS, STORE_NOT_FOUND, STORE_CREDENTIALS,
 * STORE_DENIED, STORE_UNREACHABLE, STORE_UNWRITABLE; and of each call also STORE_FULL, STORE_DIGEST, STORE_FAILED.
 */
export async function openS3Store(
  address: string,
  access: StoreAccess = "write",
  options: S3Options = {},
): Promise<ObjectStore> {
  const place = parseS3Address(address);
  const connection = await connectS3(options.timeouts ?? defaultTimeouts);
  const { clock = systemClock, patience = defaultPatience } = options;
  const requests = new S3Requests(place, connection, clock, patience);
  const opening = options.openingPatience ?? defaultOpeningPatience;
  await proveAccess(requests, opening);
  if (access === "write" && !requests.isAmazon) await proveConditions(requests, opening);
  return new S3Store(requests);
}

class S3Store implements ObjectStore {
  readonly address: string;
  readonly #requests: S3Requests;

  constructor(requests: S3Requests) {
    this.address = requests.place.address;
    this.#requests = requests;
  }

  async create(key: string, body: Body, options: WriteOptions = {}): Promise<Written | undefined> {
    this.#check(key);
    return await this.#write(startWrite(key, undefined), body, options);
  }

  async replace(
    key: string,
    version: string,
    body: Body,
    options: WriteOptions = {},
  ): Promise<Written | undefined> {
    this.#check(key);
    const seen = parseVersion(version);
    if (seen === undefined) {
      if (isStream(body)) await body[Symbol.asyncIterator]().return?.();
      return undefined;
    }
    return await this.#write(startWrite(key, seen), body, options);
  }

  async read(key: string): Promise<SmallObject | undefined> {
    this.#check(key);
    const object = await getObject(this.#requests, key);
    return object === undefined ? undefined : { bytes: object.bytes, version: formatVersion(object.version) };
  }

  async open(key: string): Promise<StreamedObject | undefined> {
    this.#check(key);
    const facts = await headObject(this.#requests, "open", key);
    if (facts === undefined) return undefined;
    return {
      body: download(this.#requests, key, facts),
      sizeBytes: facts.sizeBytes,
      version: formatVersion(facts.version),
    };
  }

  async has(key: string): Promise<boolean> {
    this.#check(key);
    return (await headObject(this.#requests, "look for", key)) !== undefined;
  }

  async remove(key: string): Promise<void> {
    this.#check(key);
    await removeObject(this.#requests, key);
  }

  async *list(prefix: string, { after }: { after?: string } = {}): AsyncGenerator<ListedObject> {
    if (canBePrefix(prefix)) yield* listKeys(this.#requests, prefix, after);
  }

  async *children(prefix: string): AsyncGenerator<string> {
    if (prefix !== "" && !prefix.endsWith("/")) {
      throw new PawlError("STORE_KEY", `the prefix ${JSON.stringify(prefix)} does not end in '/'`, {
        next: "End it in '/'.",
        details: { key: prefix },
      });
    }
    if (canBePrefix(prefix)) yield* listChildNames(this.#requests, prefix);
  }

  async #write(write: Write, body: Body, options: WriteOptions): Promise<Written | undefined> {
    if (isStream(body)) return await putStream(this.#requests, write, body, options);
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes.byteLength <= largestPutBytes) return await put(this.#requests, write, bytes, options);
    return await putStream(this.#requests, write, inOnePiece(bytes), options);
  }

  /** Refuses what is no key, or would be none of S3's behind the store's prefix. */
  #check(key: string): void {
    checkKey(key);
    const bytes = Buffer.byteLength(this.#requests.at(key).Key);
    if (bytes <= 1024) return;
    const told = `the key ${JSON.stringify(`${key.slice(0, 80)}…`)} has ${bytes} bytes with the prefix of ${this.address}, and S3 allows 1,024`;
    throw new PawlError("STORE_KEY", told, {
      next: "Use shorter names, or a store with a shorter prefix.",
      details: { key },
    });
  }
}

const isStream = (body: Body): body is AsyncIterable<Uint8Array> =>
  typeof body !== "string" && !(body instanceof Uint8Array);

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
