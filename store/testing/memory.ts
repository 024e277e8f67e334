import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export const mebibyte = 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const heldBytes = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** Watches how much memory is held, garbage aside, from its making on. */
export class MemoryWatch {
  readonly #before: number;
  #peak = 0;
  #calls = 0;

  constructor() {
    collectGarbage();
    this.#before = heldBytes();
  }

  /** To be called for each piece that passes; looks at every eighth. */
  look(): void {
    this.#calls += 1;
    if (this.#calls % 8 !== 0) return;
    collectGarbage();
    this.#peak = Math.max(this.#peak, heldBytes() - this.#before);
  }

  get peakBytes(): number {
    if (this.#calls < 8) throw new Error("nothing was watched");
    return this.#peak;
  }
}

/** `count` pieces of 1 MiB, each in memory of its own, each other bytes. */
export async function* pieces(count: number, watch?: MemoryWatch): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) {
    watch?.look();
    yield Buffer.alloc(mebibyte, `piece ${i};`);
  }
}
