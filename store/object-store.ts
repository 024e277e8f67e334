/**
 * The object store: what Pawl needs of a bucket, and no more. There is no blind overwrite: every write either creates a
 * key or replaces the version that the writer has seen. One contract suite (`store/testing/contract.ts`) holds for all
 * implementations.
 *
 * Keys: 1 to 1,024 bytes of UTF-8, segments joined by `/`, no empty, `.` or `..` segment, no NUL, and no
 * first segment that begins with a dot (those are the store's own). Others are refused with STORE_KEY.
 *
 * Errors: PawlError with STORE_KEY, STORE_DIGEST, STORE_FULL, STORE_UNWRITABLE or STORE_FAILED, the key in its details
 * and the original error as its cause; from a store that is reached over a network also STORE_UNREACHABLE, STORE_DENIED,
 * STORE_CREDENTIALS and STORE_NOT_FOUND. A write that fails with STORE_UNREACHABLE may have been done all the same.
 */
export interface ObjectStore {
  /** What a person would type to name this store. */
  readonly address: string;

  /** Creates `key`; `undefined`, and nothing changed, where it exists already. */
  create(key: string, body: Body, options?: WriteOptions): Promise<Written | undefined>;

  /**
   * Replaces `key` if `version` is still its version; `undefined`, and nothing changed, where it is not. (S3 compares the
   * bytes: there a key that has those again which were seen may be replaced too.)
   */
  replace(key: string, version: string, body: Body, options?: WriteOptions): Promise<Written | undefined>;

  /** The whole object in memory, for small ones; `undefined` where there is none. */
  read(key: string): Promise<SmallObject | undefined>;

  /** The object as a stream, to be read once; `undefined` where there is none. Memory stays bounded. */
  open(key: string): Promise<StreamedObject | undefined>;

  /** Whether `key` exists, without reading it. */
  has(key: string): Promise<boolean>;

  /** Removes `key`; no error where there is none. */
  remove(key: string): Promise<void>;

  /** Every key with `prefix`, in ascending order of UTF-8 bytes; those after `after` only, where it is given. */
  list(prefix: string, options?: { after?: string }): AsyncIterable<ListedObject>;

  /** The distinct next segments under `prefix` (which ends in `/`) that have keys below them, in ascending order. */
  children(prefix: string): AsyncIterable<string>;
}

export type Body = Uint8Array | string | AsyncIterable<Uint8Array>;

export interface WriteOptions {
  /** SHA-256 in hexadecimal; where the body has another, STORE_DIGEST is thrown and nothing is written. */
  readonly sha256?: string;
}

export interface Written {
  /** Opaque; changes with every write of the key. */
  readonly version: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface SmallObject {
  readonly bytes: Uint8Array;
  readonly version: string;
}

export interface StreamedObject {
  readonly body: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number;
  readonly version: string;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
}
