import { PawlError } from "../../core/errors.ts";
import type { ObjectStore, StreamedObject } from "../../store/object-store.ts";
import type { Harm } from "./harm.ts";
import type { Life } from "./life.ts";

export interface Client {
  /** Whose calls these are, now. */
  readonly life: () => Life;
  readonly harm: Harm;
  /** Seconds that a call takes, there and back. */
  readonly seconds: (operation: string, key: string) => number;
  /** Told of each key that is written. */
  readonly onWritten?: (key: string) => void;
}

const unreachable = (operation: string, key: string): PawlError =>
  new PawlError("STORE_UNREACHABLE", `cannot ${operation} ${key}: the connection was reset`, {
    details: { key },
  });

/**
 * `store` as one process sees it over a network: calls take time, in which the process can die, and what is asked or
 * answered can be lost (after all of a real client's own tries).
 */
export function storeOver(store: ObjectStore, client: Client): ObjectStore {
  const { harm } = client;
  async function call<Result>(
    operation: string,
    key: string,
    work: () => Promise<Result>,
    finish: (result: Result, cut: boolean) => Result = (result) => result,
  ): Promise<Result> {
    const life = client.life();
    const seconds = client.seconds(operation, key);
    await life.sleep(seconds / 2);
    const fault = harm.ofStore(operation, key);
    if (fault === "store: request lost") throw unreachable(operation, key);
    const result = await work();
    await life.sleep(seconds / 2);
    if (fault === "store: answer lost") throw unreachable(operation, key);
    return finish(result, fault === "store: cut in a body");
  }
  const written = async <Result>(key: string, write: () => Promise<Result>): Promise<Result> => {
    const result = await write();
    if (result !== undefined) client.onWritten?.(key);
    return result;
  };
  return {
    address: store.address,
    create: (key, body, options) =>
      call("create", key, () => written(key, () => store.create(key, body, options))),
    replace: (key, version, body, options) =>
      call("replace", key, () => written(key, () => store.replace(key, version, body, options))),
    read: (key) => call("read", key, () => store.read(key)),
    open: (key) =>
      call(
        "open",
        key,
        () => store.open(key),
        (object, cut) => (cut && object !== undefined ? cutShort(object, key) : object),
      ),
    has: (key) => call("has", key, () => store.has(key)),
    remove: (key) => call("remove", key, () => store.remove(key)),
    async *list(prefix, options) {
      yield* await call("list", prefix, () => all(store.list(prefix, options)));
    },
    async *children(prefix) {
      yield* await call("list", prefix, () => all(store.children(prefix)));
    },
  };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A body that breaks off in its middle. */
function cutShort(object: StreamedObject, key: string): StreamedObject {
  async function* body() {
    for await (const chunk of object.body) {
      yield chunk.subarray(0, chunk.byteLength >> 1);
      throw unreachable("read all of", key);
    }
  }
  return { ...object, body: body() };
}
