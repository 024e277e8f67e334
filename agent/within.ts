/**
 * Waits until `work` has settled, at most so long. Never throws: what is late is left to itself, and its failure is for
 * others to tell.
 */
export async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  const done = () => resolve();
  work.then(done, done);
  await over;
  clearTimeout(timer);
}
