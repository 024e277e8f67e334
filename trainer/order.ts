import { TrainerError } from "./error.ts";

const largest = 0xffff_ffff;
const stream = 0x7061_776c; // "pawl"
const warmUp = 12;

/** 32-bit words of sfc32 (PractRand), started from seed, epoch and a constant. */
function words(seed: number, epoch: number): () => number {
  let [a, b, c, counter] = [seed | 0, epoch | 0, stream, 1];
  const next = (): number => {
    const word = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  for (let i = 0; i < warmUp; i++) next();
  return next;
}

/**
 * The numbers from 0 to `size - 1` in the order of this epoch, `size` at most 2³² - 1: Fisher–Yates from the last place down,
 * with numbers made unbiased by Lemire's multiplication with rejection (arXiv 1805.10941). The same in every helper.
 */
export function order(seed: number, epoch: number, size: number): Uint32Array {
  if (!Number.isInteger(size) || size < 0 || size > largest) {
    throw new TrainerError(
      "MISUSE",
      `order needs a whole number of examples from 0 to ${largest}, not ${size}.`,
    );
  }
  const next = words(seed, epoch);
  const items = new Uint32Array(size);
  for (let i = 0; i < size; i++) items[i] = i;
  for (let bound = size; bound > 1; bound--) {
    let drawn: number;
    let low: number;
    do {
      const word = next();
      // The high and the low half of a product of up to 64 bits, in doubles that are exact to 53.
      low = Math.imul(word, bound) >>> 0;
      const middle = (word >>> 16) * bound + Math.floor(((word & 0xffff) * bound) / 0x1_0000);
      drawn = Math.floor(middle / 0x1_0000);
    } while (low < bound && low < (0x1_0000_0000 - bound) % bound);
    const last = bound - 1;
    const moved = items[last] ?? 0;
    items[last] = items[drawn] ?? 0;
    items[drawn] = moved;
  }
  return items;
}
