import type { S3Client } from "@aws-sdk/client-s3";
import type { S3Place } from "./s3-address.ts";
import type { S3Connection } from "./s3-client.ts";
import { s3Error } from "./s3-errors.ts";
import { type Clock, type Patience, retrying, type Tries } from "./s3-retry.ts";

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the store's own. */
  readonly patience?: Patience;
}

/** Requests to one bucket, below one prefix: each under the one retry policy, each failure in words. */
export class S3Requests {
  readonly place: S3Place;
  readonly #connection: S3Connection;
  readonly #clock: Clock;
  readonly #patience: Patience;

  constructor(place: S3Place, connection: S3Connection, clock: Clock, patience: Patience) {
    this.place = place;
    this.#connection = connection;
    this.#clock = clock;
    this.#patience = patience;
  }

  get client(): S3Client {
    return this.#connection.client;
  }

  /** Where requests go, once there was one. */
  get endpoint(): string | undefined {
    return this.#connection.endpoint()?.url;
  }

  /** Whether that is Amazon's own. */
  get isAmazon(): boolean {
    return this.#connection.endpoint()?.isCustom === false;
  }

  /** Where `key` is: what each command begins with. */
  at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.place.bucket, Key: `${this.place.prefix}${key}` };
  }

  /** Does `work`, again where that may help. `doing` and `key` are for the error's words. */
  async run<Result>(
    doing: string,
    key: string | undefined,
    work: (tries: Tries) => Promise<Result>,
    { signal, patience = this.#patience }: RequestOptions = {},
  ): Promise<Result> {
    try {
      return await retrying({ clock: this.#clock, patience, signal }, work);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.failed(error, doing, key);
    }
  }

  /** An error in words; see `run`. */
  failed(error: unknown, doing: string, key: string | undefined): unknown {
    const { bucket, address } = this.place;
    return s3Error(error, { doing, key, bucket, address, endpoint: this.endpoint });
  }
}
