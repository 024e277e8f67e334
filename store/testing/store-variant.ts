import type { ObjectStore } from "../object-store.ts";

/** `store`, with some of its calls in the hands of a test. */
export const storeVariant = (store: ObjectStore, calls: Partial<ObjectStore>): ObjectStore => ({
  address: store.address,
  create: (...all) => store.create(...all),
  replace: (...all) => store.replace(...all),
  read: (key) => store.read(key),
  open: (key) => store.open(key),
  has: (key) => store.has(key),
  remove: (key) => store.remove(key),
  list: (...all) => store.list(...all),
  children: (prefix) => store.children(prefix),
  ...calls,
});
