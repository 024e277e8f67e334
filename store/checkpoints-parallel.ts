export interface ParallelOptions {
  /** How many at a time. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * `work` on each item, some at a time; the results in the items' order. At the first failure the signal that `work` got
 * is aborted, and the failure is thrown when nothing runs any more.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  { concurrency = 4, signal }: ParallelOptions,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const stopping = new AbortController();
  const either = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal]);
  const results: Result[] = [];
  const failures: unknown[] = [];
  const shared = items.entries();
  const worker = async () => {
    try {
      for (const [index, item] of shared) {
        either.throwIfAborted();
        results[index] = await work(item, either);
      }
    } catch (error) {
      failures.push(error);
      stopping.abort(error);
    }
  };
  signal?.throwIfAborted();
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** `chunks`, until the signal is aborted. */
export async function* untilAborted(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
  }
}
