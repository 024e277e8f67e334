import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type MachineMemory,
  type MemoryLearnt,
  MemoryPolicy,
  memoryOf,
  mostAtOnce,
  rememberedMachines,
  splitAsWanted,
  splitBatch,
  withFitted,
  withWall,
} from "./memory.ts";

const policy = MemoryPolicy.parse({});

const known = (more: Partial<MachineMemory>): MachineMemory => ({ machine: "local", uses: [], ...more });

const gib = 2 ** 30;
const use = (microBatchSize: number, gibibytes: number, of = 16) => ({
  microBatchSize,
  peakBytes: Math.round(gibibytes * gib),
  totalBytes: of * gib,
});

/** Trains epoch after epoch on a device that `fits` so many examples; what was tried, and which of it failed. */
function probes(batchSize: number, fits: number, bytes?: { fixed: number; each: number; total: number }) {
  const tried: number[] = [];
  const failed: number[] = [];
  let learnt: MemoryLearnt | undefined;
  for (let epoch = 1; epoch <= 30; epoch += 1) {
    const { microBatchSize } = splitAsWanted(batchSize, "auto", memoryOf(learnt, "local"), policy, true);
    tried.push(microBatchSize);
    const isOver =
      bytes === undefined ? microBatchSize > fits : bytes.fixed + bytes.each * microBatchSize > bytes.total;
    if (isOver) {
      failed.push(microBatchSize);
      if (microBatchSize === 1) break;
      learnt = withWall(learnt, "local", microBatchSize);
      continue;
    }
    const memory = bytes && {
      peakBytes: bytes.fixed + bytes.each * microBatchSize,
      totalBytes: bytes.total,
    };
    learnt = withFitted(learnt, "local", { microBatchSize, memory });
  }
  return { tried, failed, wall: memoryOf(learnt, "local")?.wall ?? Number.POSITIVE_INFINITY };
}

describe("how many examples go through the model at once", () => {
  it("is the whole batch where the job says nothing, and half of what did not fit after that", () => {
    expect(mostAtOnce(undefined, undefined, policy, true)).toEqual({ most: undefined });
    expect(mostAtOnce(undefined, known({ wall: 48 }), policy, true)).toEqual({ most: 24 });
    expect(mostAtOnce(undefined, known({ wall: 48, fits: 40 }), policy, true)).toEqual({ most: 40 });
  });

  it("is at most the number that the job gives", () => {
    expect(mostAtOnce(32, undefined, policy, true)).toEqual({ most: 32 });
    expect(mostAtOnce(32, known({ wall: 48 }), policy, true)).toEqual({ most: 24 });
    expect(mostAtOnce(32, known({ wall: 128 }), policy, true)).toEqual({ most: 32 });
  });

  it("begins small with auto, but not below the smallest that the job allows", () => {
    expect(mostAtOnce("auto", undefined, policy, true)).toEqual({ most: 16 });
    const large = MemoryPolicy.parse({ smallestMicroBatch: 24 });
    expect(mostAtOnce("auto", undefined, large, true)).toEqual({ most: 24 });
    expect(mostAtOnce("auto", known({ wall: 16 }), policy, true)).toEqual({ most: 8 });
  });

  it("doubles at the beginnings of epochs where nobody says what is in use, and not within one", () => {
    expect(mostAtOnce("auto", known({ fits: 16 }), policy, true)).toEqual({
      most: 32,
      why: "16 at once fit",
    });
    expect(mostAtOnce("auto", known({ fits: 16 }), policy, false)).toEqual({ most: 16 });
  });

  it("grows to nine tenths of the device by what was in use, and at most four times at once", () => {
    const one = known({ fits: 32, uses: [use(32, 4)] });
    // 14.4 of 16 GiB, if all of it were the examples'.
    expect(mostAtOnce("auto", one, policy, true)).toEqual({
      most: 115,
      why: "4.0 of 16.0 GiB were in use",
    });
    const two = known({ fits: 32, uses: [use(16, 3), use(32, 4)] });
    // A sixteenth of a GiB each: 10.4 GiB are left for 166 more.
    expect(mostAtOnce("auto", two, policy, true).most).toBe(128);
    const nearly = known({ fits: 32, uses: [use(16, 7), use(32, 13)] });
    expect(mostAtOnce("auto", nearly, policy, true).most).toBe(35);
  });

  it("stays where more than that is in use already, since it did fit", () => {
    expect(mostAtOnce("auto", known({ fits: 32, uses: [use(32, 15.5)] }), policy, true)).toEqual({
      most: 32,
    });
  });

  it("does not believe that examples need nothing: a peak can be of a larger micro-batch before", () => {
    const flat = known({ fits: 32, uses: [use(16, 8), use(32, 8)] });
    expect(mostAtOnce("auto", flat, policy, true).most).toBe(57);
  });

  it("is not as many again as did not fit, however much memory there seems to be", () => {
    const walled = known({ fits: 32, wall: 64, uses: [use(32, 1)] });
    expect(mostAtOnce("auto", walled, policy, true)).toEqual({ most: 32 });
  });

  it("never runs into the same wall twice, whatever the device has", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4096 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.option(
          fc.record({
            fixed: fc.integer({ min: 0, max: 1000 }),
            each: fc.integer({ min: 1, max: 100 }),
            total: fc.integer({ min: 1200, max: 100_000 }),
          }),
          { nil: undefined },
        ),
        (batchSize, fits, bytes) => {
          const { tried, failed } = probes(batchSize, fits, bytes);
          expect(new Set(failed).size).toBe(failed.length);
          expect(failed).toEqual(failed.toSorted((a, b) => b - a));
          for (const each of tried) expect(batchSize % each).toBe(0);
        },
      ),
    );
  });

  it.each([34, 37, 68, 74, 365])(
    "goes on to the next equal parts of %i examples, however far off, where memory is enough",
    (batchSize) => {
      const bytes = { fixed: 1024, each: 1, total: 80 * 1024 };
      expect(probes(batchSize, Number.POSITIVE_INFINITY, bytes)).toMatchObject({ failed: [] });
      expect(probes(batchSize, Number.POSITIVE_INFINITY, bytes).tried.at(-1)).toBe(batchSize);
      expect(probes(batchSize, Number.POSITIVE_INFINITY).tried.at(-1)).toBe(batchSize);
    },
  );

  it("tries without peaks all equal parts, up to half of what did not fit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 5000 }), (batchSize, fits) => {
        const { tried, failed, wall } = probes(batchSize, fits);
        const last = tried.at(-1) ?? 0;
        const next = Array.from({ length: batchSize }, (_, i) => i + 1).find(
          (size) => size > last && batchSize % size === 0,
        );
        if (next !== undefined) expect(2 * next).toBeGreaterThan(wall);
        expect(failed.length).toBeLessThanOrEqual(13);
      }),
    );
  });

  it("begins near 16, with the parts above where those below are less than half of it", () => {
    const first = (batchSize: number, more: { smallestMicroBatch?: number } = {}) =>
      splitAsWanted(batchSize, "auto", undefined, MemoryPolicy.parse(more), true).microBatchSize;
    expect([8, 32, 100, 34, 37, 68, 74, 96].map((size) => first(size))).toEqual([
      8, 16, 10, 17, 37, 17, 37, 16,
    ]);
    // 131 at once are no small beginning.
    expect(first(262)).toBe(2);
    expect(first(262, { smallestMicroBatch: 4 })).toBe(131);
    const four = MemoryPolicy.parse({ smallestMicroBatch: 4 });
    expect(splitAsWanted(74, "auto", known({ fits: 17 }), four, false).microBatchSize).toBe(37);
    expect(splitAsWanted(74, "auto", known({ fits: 17, wall: 37 }), four, false).microBatchSize).toBe(2);
  });

  it("goes above the parts that fit in the middle of no epoch, and above those that a job gives never", () => {
    const two = known({ fits: 2, uses: [use(2, 1)] });
    expect(splitAsWanted(34, "auto", two, policy, true)).toMatchObject({
      microBatchSize: 17,
      accumulation: 2,
    });
    expect(splitAsWanted(34, "auto", two, policy, false)).toMatchObject({ microBatchSize: 2 });
    expect(splitAsWanted(34, 16, two, policy, true)).toMatchObject({ microBatchSize: 2, accumulation: 17 });
    const full = known({ fits: 2, uses: [use(2, 4)] });
    expect(splitAsWanted(34, "auto", full, policy, true)).toMatchObject({ microBatchSize: 2 });
    expect(splitAsWanted(34, "auto", known({ fits: 2, wall: 17 }), policy, true)).toMatchObject({
      microBatchSize: 2,
    });
  });

  it("finds a micro-batch that is at least half of what fits, of batches of a power of two", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (fits) => {
        const { tried, failed } = probes(1024, fits);
        const best = 2 ** Math.floor(Math.log2(Math.min(fits, 1024)));
        expect(tried.at(-1)).toBe(best);
        expect(failed.length).toBeLessThanOrEqual(fits < 16 ? 5 : 1);
      }),
    );
  });

  it("never fails where what is in use grows by the example, and is told", () => {
    fc.assert(
      fc.property(
        fc.record({
          fixed: fc.integer({ min: 1, max: 1000 }),
          each: fc.integer({ min: 1, max: 100 }),
          total: fc.integer({ min: 3000, max: 1_000_000 }),
        }),
        fc.integer({ min: 1, max: 4096 }),
        (bytes, batchSize) => {
          expect(probes(4096, Number.POSITIVE_INFINITY, bytes).failed).toEqual([]);
          // What it begins with has to fit: 64 at most.
          const larger = { ...bytes, total: bytes.total + 64 * bytes.each };
          expect(probes(batchSize, Number.POSITIVE_INFINITY, larger).failed).toEqual([]);
        },
      ),
    );
  });
});

describe("a batch in parts", () => {
  it("has the fewest equal parts that fit, of a size of any kind", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 3000 }), (size, most) => {
        const { microBatchSize, accumulation } = splitBatch(size, most);
        expect(microBatchSize * accumulation).toBe(size);
        expect(microBatchSize).toBeLessThanOrEqual(most);
        const fewer = Array.from({ length: accumulation - 1 }, (_, parts) => parts + 1);
        expect(fewer.filter((parts) => size % parts === 0 && size / parts <= most)).toEqual([]);
      }),
    );
    // A prime number that nobody could count up to in time.
    expect(splitBatch(1_099_511_627_689, 16).microBatchSize).toBe(1);
  });
});

describe("what is remembered of memory", () => {
  it("is by machine, of those that trained last", () => {
    let learnt: MemoryLearnt | undefined;
    for (const machine of ["a", "b", "c", "d", "e", "b"])
      learnt = withFitted(learnt, machine, { microBatchSize: 8 });
    expect(learnt?.map(({ machine }) => machine)).toEqual(["c", "d", "e", "b"]);
    expect(learnt).toHaveLength(rememberedMachines);
    expect(memoryOf(withWall(learnt, "b", 8), "c")).toMatchObject({ fits: 8 });
  });

  it("stays the very same where nothing new is told", () => {
    const learnt = withFitted(undefined, "local", { microBatchSize: 8, memory: use(8, 2) });
    expect(withFitted(learnt, "local", { microBatchSize: 8, memory: use(8, 2) })).toBe(learnt);
    expect(withFitted(learnt, "local", { microBatchSize: 4 })).toBe(learnt);
  });

  it("does not take as fitting what did not fit since", () => {
    const learnt = withWall(withFitted(undefined, "local", { microBatchSize: 32 }), "local", 32);
    expect(learnt).toEqual([{ machine: "local", wall: 32, uses: [] }]);
    expect(withFitted(learnt, "local", { microBatchSize: 64 })).toBe(learnt);
    expect(withWall(learnt, "local", 64)).toEqual(learnt);
  });
});
