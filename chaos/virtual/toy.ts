import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

/** A stretch of one epoch: the examples from `from` up to `to` in its order, with one learning rate. */
const Stretch = z.strictObject({
  epoch: z.int(),
  from: z.int(),
  to: z.int(),
  batch: z.int(),
  rate: z.number(),
});
export type Stretch = z.infer<typeof Stretch>;

const Saved = z.strictObject({ weights: z.string(), poisoned: z.boolean(), trace: z.array(Stretch) });

/** Bytes that no training changes, so that later checkpoints refer to them. */
const constant = Buffer.alloc(4096, "constant");

/**
 * A model whose weights are a function of the examples that it has seen, their order, the steps' sizes and the learning rate, and of
 * nothing else: not of how a step was cut into micro-batches. It remembers what it was trained with.
 */
export class Toy {
  #weights = "begin";
  /** Whether a loss was no number: nothing that comes after is of use. */
  poisoned = false;
  #trace: Stretch[] = [];

  static load(folder: string): Toy {
    const toy = new Toy();
    const saved = Saved.parse(JSON.parse(readFileSync(join(folder, "model.json"), "utf8")));
    if (readFileSync(join(folder, "data", "constant.bin")).compare(constant) !== 0)
      throw new Error("constant.bin is not as it was saved");
    const optimizer = readFileSync(join(folder, "optimizer.bin"), "utf8");
    if (optimizer !== moments(saved.weights)) throw new Error("optimizer.bin is not of these weights");
    toy.#weights = saved.weights;
    toy.poisoned = saved.poisoned;
    toy.#trace = saved.trace;
    return toy;
  }

  save(folder: string): void {
    const saved = { weights: this.#weights, poisoned: this.poisoned, trace: this.#trace };
    mkdirSync(join(folder, "data"), { recursive: true });
    writeFileSync(join(folder, "model.json"), JSON.stringify(saved));
    writeFileSync(join(folder, "optimizer.bin"), moments(this.#weights));
    writeFileSync(join(folder, "data", "constant.bin"), constant);
  }

  get weights(): string {
    return this.#weights;
  }

  get trace(): readonly Stretch[] {
    return this.#trace;
  }

  /** One step of the optimizer, its gradients added up micro-batch by micro-batch. */
  step(
    epoch: number,
    from: number,
    examples: Uint32Array,
    { batch, microBatch, rate }: { batch: number; microBatch: number; rate: number },
  ): void {
    let gradient = 0;
    for (let at = 0; at < examples.length; at += microBatch) {
      let part = 0;
      for (const example of examples.subarray(at, at + microBatch))
        part = (part + gradientOf(this.#weights, example)) >>> 0;
      gradient = (gradient + part) >>> 0;
    }
    this.#weights = digest(`${this.#weights} ${gradient} ${rate} ${this.poisoned}`);
    const to = from + examples.length;
    const last = this.#trace.at(-1);
    const goesOn = last?.epoch === epoch && last.to === from && last.rate === rate && last.batch === batch;
    if (goesOn) this.#trace.splice(-1, 1, { ...last, to });
    else this.#trace.push({ epoch, from, to, batch, rate });
  }

  loss(): number {
    return Number.parseInt(this.#weights.slice(0, 8), 16) / 0x1_0000_0000;
  }
}

const digest = (text: string): string => createHash("sha1").update(text).digest("hex");

const moments = (weights: string): string => digest(`moments of ${weights}`).repeat(8);

function gradientOf(weights: string, example: number): number {
  let sum = 0x811c9dc5 ^ example;
  for (let at = 0; at < 12; at += 1) sum = Math.imul(sum ^ weights.charCodeAt(at), 0x01000193);
  return Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d) >>> 0;
}
