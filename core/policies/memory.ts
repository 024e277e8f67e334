import * as z from "zod";

/** What happens when memory runs out. */
export const MemoryPolicy = z.strictObject({
  onOutOfMemory: z
    .enum(["shrink", "give-up"])
    .default("shrink")
    .describe(
      "shrink: a smaller micro-batch with more accumulation, so that the batch, and the result, stay the same.",
    ),
  smallestMicroBatch: z
    .int()
    .min(1)
    .default(1)
    .describe("A smaller micro-batch than this is not tried, in examples."),
});
export type MemoryPolicy = z.output<typeof MemoryPolicy>;

const MicroBatch = z.int().min(1);

/** Machines of so many types are remembered, those that trained last. */
export const rememberedMachines = 4;

/** What was seen of memory on machines of one type. */
export const MachineMemory = z.strictObject({
  /** The instance's type, or `local`. */
  machine: z.string().min(1).max(50),
  /** The smallest micro-batch that did not fit: it and larger ones are not tried again. */
  wall: MicroBatch.optional(),
  /** The largest that was trained; smaller than `wall`. */
  fits: MicroBatch.optional(),
  /** The most that was in use of the device, in bytes, at the two largest micro-batches for which that is known; smallest first. */
  uses: z
    .array(
      z.strictObject({
        microBatchSize: MicroBatch,
        peakBytes: z.int().min(1),
        totalBytes: z.int().min(1),
      }),
    )
    .max(2),
});
export type MachineMemory = z.infer<typeof MachineMemory>;

/** Those that trained last come last. */
export const MemoryLearnt = z.array(MachineMemory).max(rememberedMachines);
export type MemoryLearnt = z.infer<typeof MemoryLearnt>;

export const memoryOf = (learnt: MemoryLearnt | undefined, machine: string): MachineMemory | undefined =>
  learnt?.find((each) => each.machine === machine);

function remember(learnt: MemoryLearnt | undefined, known: MachineMemory): MemoryLearnt {
  const others = (learnt ?? []).filter(({ machine }) => machine !== known.machine);
  return [...others, known].slice(-rememberedMachines);
}

/** `learnt` after `microBatchSize` did not fit on `machine`. What seemed to fit until then, and is no smaller, does not count. */
export function withWall(
  learnt: MemoryLearnt | undefined,
  machine: string,
  microBatchSize: number,
): MemoryLearnt {
  const { fits, uses = [], wall: before } = memoryOf(learnt, machine) ?? {};
  const wall = Math.min(before ?? microBatchSize, microBatchSize);
  return remember(learnt, {
    machine,
    wall,
    ...(fits === undefined || fits >= wall ? {} : { fits }),
    uses: uses.filter((use) => use.microBatchSize < wall),
  });
}

/** What was trained: at once in each worker, and what of the device that needed at most. */
export interface Fitted {
  readonly microBatchSize: number;
  readonly memory?: { readonly peakBytes: number; readonly totalBytes: number } | undefined;
}

/** `learnt` after this was trained on `machine`; the same where that tells nothing new. */
export function withFitted(
  learnt: MemoryLearnt | undefined,
  machine: string,
  { microBatchSize, memory }: Fitted,
): MemoryLearnt | undefined {
  const known = memoryOf(learnt, machine) ?? { machine, uses: [] };
  const { wall, fits, uses } = known;
  if (wall !== undefined && microBatchSize >= wall) return learnt;
  const same = uses.find((use) => use.microBatchSize === microBatchSize);
  const isNew = memory !== undefined && memory.peakBytes > (same?.peakBytes ?? 0);
  if (!isNew && microBatchSize <= (fits ?? 0) && learnt?.at(-1)?.machine === machine) return learnt;
  const others = uses.filter((use) => use !== same);
  return remember(learnt, {
    ...known,
    fits: Math.max(fits ?? 0, microBatchSize),
    uses: isNew
      ? [...others, { microBatchSize, ...memory }]
          .toSorted((a, b) => a.microBatchSize - b.microBatchSize)
          .slice(-2)
      : uses,
  });
}

/**
 * `auto` begins with at most so many: few devices are too small for it, a first try that fails costs an attempt, and growing
 * costs nothing.
 */
const firstMicroBatch = 16;

/** So much of a device's memory may be in use by what was seen at smaller micro-batches. */
const memoryShare = 0.9;

/** What was measured is not trusted for more than so many times the largest that was trained. */
const mostGrowth = 4;

/** The largest micro-batch that memory is enough for, if what it needs grows with it as it did. */
function predicted(uses: MachineMemory["uses"]): number {
  const last = uses.at(-1);
  if (last === undefined) return Number.POSITIVE_INFINITY;
  const first = uses[0] ?? last;
  const slope = (last.peakBytes - first.peakBytes) / (last.microBatchSize - first.microBatchSize);
  const left = memoryShare * last.totalBytes - last.peakBytes;
  // One point, or one that a larger micro-batch before it hides: all that is in use counts as the examples'.
  const each = slope > 0 ? slope : last.peakBytes / last.microBatchSize;
  return Math.floor(last.microBatchSize + left / each);
}

const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

/** What is tried after so many did not fit. */
const halfOf = (wall: number | undefined): number =>
  wall === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(wall / 2));

export interface Most {
  /** So many examples at most go through the model at once; `undefined`: as many as there are. */
  readonly most: number | undefined;
  /** Why it may be more than what was trained, in words. */
  readonly why?: string;
}

/**
 * How many examples may go through the model at once, as the job wants it and as memory is known. Never as many as did not fit.
 * `auto` becomes larger only where it `grows`, which is at the beginnings of epochs: by what was in use, else by doubling.
 */
export function mostAtOnce(
  wanted: number | "auto" | undefined,
  known: MachineMemory | undefined,
  { smallestMicroBatch }: MemoryPolicy,
  grows: boolean,
): Most {
  const { wall, fits, uses = [] } = known ?? {};
  const half = halfOf(wall);
  const below = Math.max(half, fits ?? 0);
  if (wanted === undefined) return { most: wall === undefined ? undefined : below };
  if (wanted !== "auto") return { most: Math.min(wanted, below) };
  if (fits === undefined)
    return { most: wall === undefined ? Math.max(firstMicroBatch, smallestMicroBatch) : half };
  if (!grows) return { most: fits };
  const last = uses.at(-1);
  const grown = last === undefined ? 2 * fits : Math.min(mostGrowth * fits, predicted(uses));
  const most = Math.max(fits, Math.min(grown, half));
  const why =
    last === undefined
      ? `${fits} at once fit`
      : `${gibibytes(last.peakBytes)} of ${gibibytes(last.totalBytes)} GiB were in use`;
  return most > fits ? { most, why } : { most };
}

/** How a batch goes through the model: in `accumulation` equal micro-batches, since the mean of equal parts' means is the mean of all. */
export interface Split {
  readonly microBatchSize: number;
  readonly accumulation: number;
}

/** The divisors of `batchSize` next to `most`: the largest that is not above it, and the smallest that is. */
function divisors(batchSize: number, most: number): { below: number; above: number } {
  let [below, above] = [1, batchSize];
  const take = (divisor: number) => {
    if (divisor <= most) below = Math.max(below, divisor);
    else above = Math.min(above, divisor);
  };
  // Divisors come in pairs, so that no size takes long, whatever a trainer says that its own is.
  for (let divisor = 1; divisor * divisor <= batchSize; divisor += 1) {
    if (batchSize % divisor !== 0) continue;
    take(divisor);
    take(batchSize / divisor);
  }
  return { below, above };
}

const parts = (batchSize: number, microBatchSize: number): Split => ({
  microBatchSize,
  accumulation: batchSize / microBatchSize,
});

/** `batchSize` examples, of which at most `limit` fit at once, in the largest equal parts that fit; of 1 at least. */
export function splitBatch(batchSize: number, limit: number | undefined): Split {
  const most = Math.min(batchSize, Math.max(1, limit ?? batchSize));
  return parts(batchSize, most === batchSize ? batchSize : divisors(batchSize, most).below);
}

/**
 * `batchSize` examples in equal parts, as the job wants it and as memory is known. Where `auto` finds none between those that fit
 * and what it would grow to, it takes the next above where memory is enough for them: else it would stay at 2 of 34 for ever.
 */
export function splitAsWanted(
  batchSize: number,
  wanted: number | "auto" | undefined,
  known: MachineMemory | undefined,
  policy: MemoryPolicy,
  grows: boolean,
): Split & Most {
  const limit = mostAtOnce(wanted, known, policy, grows);
  const { most = batchSize } = limit;
  if (wanted !== "auto" || most >= batchSize) return { ...splitBatch(batchSize, most), ...limit };
  const { below, above } = divisors(batchSize, most);
  const chosen = above <= furthest(below, most, known, policy, grows) ? above : below;
  return { ...parts(batchSize, chosen), ...limit };
}

/** So many examples may go through the model at once where the parts `below` the `most` of `auto` are too small; 0: they are not. */
function furthest(
  below: number,
  most: number,
  known: MachineMemory | undefined,
  { smallestMicroBatch }: MemoryPolicy,
  grows: boolean,
): number {
  const { wall, fits, uses = [] } = known ?? {};
  if (below < smallestMicroBatch) return halfOf(wall);
  if (fits === undefined) return wall === undefined && 2 * below < most ? mostGrowth * firstMicroBatch : 0;
  if (!grows || below > fits) return 0;
  return Math.min(halfOf(wall), predicted(uses));
}

/** The parts that a batch would have to have, in words, where its own are less than half of the `most` that are wanted at once. */
export function missingParts(
  batchSize: number,
  microBatchSize: number,
  most = batchSize,
): string | undefined {
  if (most >= batchSize || 2 * microBatchSize >= most) return undefined;
  return `equal parts of from ${Math.ceil(most / 2)} to ${most}`;
}
