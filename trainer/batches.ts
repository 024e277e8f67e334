import { TrainerError } from "./error.ts";

/** The examples of one step of the optimizer. */
export interface Batch {
  /** Their indices. */
  readonly indices: Uint32Array;
  /** The same in micro-batches, as even as can be: what goes through the model at once. Usually one. */
  readonly micro: readonly Uint32Array[];
  /** The part of the batch that these examples of it are: the weight that their mean has in the mean of all. */
  share(examples: { readonly length: number }): number;
}

/** What batches are made for. */
export interface Batched {
  readonly number: number;
  readonly steps: number;
  readonly position: unknown;
  /** How the next step is to be trained; absent where the job leaves it to the trainer. */
  readonly batchSize: number | undefined;
  readonly microBatchSize: number | undefined;
  order(size: number): Uint32Array;
  step(position: number): Promise<boolean>;
}

/** Takes note that a step of so many examples begins, which a batch of `batchSize` has. Says whether its gradients are to be measured. */
type Beginning = (batchSize: number, microBatchSize: number, examples: number) => boolean;

function sizeOf({ batchSize, number }: Batched, fallback: number | undefined): number {
  const size = batchSize ?? fallback;
  if (size !== undefined && Number.isSafeInteger(size) && size >= 1) return size;
  if (size === undefined) {
    throw new TrainerError("MISUSE", `The job gives no batch size for epoch ${number}.`, {
      next: "Write epoch.batches(n, { default: 32 }), or give the job a batchSize.",
    });
  }
  throw new TrainerError("MISUSE", `A batch must have a whole number of examples, 1 or more, not ${size}.`);
}

function begin({ position, number }: Batched): number {
  if (position === undefined) return 0;
  if (typeof position === "number" && Number.isSafeInteger(position) && position >= 0) return position;
  throw new TrainerError(
    "MISUSE",
    `Epoch ${number} goes on from position ${JSON.stringify(position)}, which is no number of examples.`,
    { next: "batches() can go on only from what batches() has trained: begin again with --new." },
  );
}

/** `indices` in so many parts, whose lengths differ by one at most. */
function parts(indices: Uint32Array, count: number): Uint32Array[] {
  if (count <= 1) return [indices];
  const cut = (place: number): number => Math.round((indices.length * place) / count);
  return Array.from({ length: count }, (_, place) => indices.subarray(cut(place), cut(place + 1)));
}

/** The rest of an epoch of `size` examples, batch by batch; the size of each is looked up when it begins. */
export async function* batchesOf(
  epoch: Batched,
  size: number,
  fallback: number | undefined,
  begins: Beginning,
): AsyncGenerator<Batch, void, undefined> {
  const order = epoch.order(size);
  for (let taken = begin(epoch); taken < order.length; ) {
    const batchSize = sizeOf(epoch, fallback);
    const microBatchSize = Math.min(batchSize, epoch.microBatchSize ?? batchSize);
    const indices = order.subarray(taken, taken + batchSize);
    const isMeasured = begins(batchSize, microBatchSize, indices.length);
    const count = Math.ceil(indices.length / microBatchSize);
    const { steps } = epoch;
    yield {
      indices,
      micro: parts(indices, isMeasured && count === 1 ? Math.min(2, indices.length) : count),
      share: ({ length }) => length / indices.length,
    };
    if (epoch.steps !== steps) {
      throw new TrainerError("MISUSE", "epoch.batches counts the steps itself.", {
        next: "Leave epoch.step out of a loop over epoch.batches.",
      });
    }
    taken += indices.length;
    await epoch.step(taken);
  }
}
