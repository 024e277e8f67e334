/**
 * How much an example at `batchSize` teaches, relative to one at `reference`: (noiseScale + reference) / (noiseScale + batchSize)
 * (Pollux, OSDI 2021, equation 7, in terms of the noise scale of McCandlish et al., arXiv 1812.06162, equation 2.8). All in
 * examples; a noise scale without end makes all examples alike.
 */
export const efficiency = (noiseScale: number, batchSize: number, reference: number): number =>
  noiseScale === Number.POSITIVE_INFINITY ? 1 : (noiseScale + reference) / (noiseScale + batchSize);

/** Goodput: examples a second × their efficiency; `seconds` is what a step of `batchSize` takes. */
export const goodput = (batchSize: number, seconds: number, noiseScale: number, reference: number): number =>
  (batchSize / seconds) * efficiency(noiseScale, batchSize, reference);

/**
 * The candidate for which `value` is largest, of equals the smallest; `undefined` where none has a value that is a number. There
 * are a few tens of sizes, so each is tried: no shape of `value` is assumed.
 */
export function bestSize(
  candidates: readonly number[],
  value: (size: number) => number,
): { readonly size: number; readonly value: number } | undefined {
  let best: { readonly size: number; readonly value: number } | undefined;
  for (const size of [...candidates].sort((a, b) => a - b)) {
    const found = value(size);
    if (Number.isNaN(found)) continue;
    if (best === undefined || found > best.value) best = { size, value: found };
  }
  return best;
}
