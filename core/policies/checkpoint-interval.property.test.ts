import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assumedPauseSeconds,
  CheckpointEvery,
  checkpointIntervalSeconds,
  dalySeconds,
  dueAtEpochEnd,
  epochEnds,
  failurePriors,
  longestIntervalSeconds,
  meanSecondsBetweenFailures,
  saveIsDue,
  shortestIntervalSeconds,
  youngSeconds,
} from "./checkpoint-interval.ts";
import { SaveCost } from "./save-cost.ts";

const seconds = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const anySeconds = seconds(0, 1e300);
const pause = seconds(0, 1e5);
const mean = seconds(1e-3, 1e8);
const cost = (pauseSeconds: number, durable = pauseSeconds): SaveCost => ({
  pauseSeconds,
  seconds: Math.max(pauseSeconds, durable),
  worstSeconds: Math.max(pauseSeconds, durable),
  saves: 3,
});
const ordered = (each: fc.Arbitrary<number>) =>
  fc.tuple(each, each).map(([a, b]): [number, number] => (a <= b ? [a, b] : [b, a]));
/** Rounding is no lack of order. */
const atMost = (a: number, b: number) => expect(a).toBeLessThanOrEqual(b * (1 + 1e-9) + 1e-9);

describe("checkpoint.every", () => {
  it.each([
    { given: undefined, parsed: { policy: "auto" } },
    { given: "auto", parsed: { policy: "auto" } },
    { given: "epoch", parsed: { policy: "epoch" } },
    { given: "1.5h", parsed: { policy: "time", seconds: 5400 } },
    { given: "7d", parsed: { policy: "time", seconds: 604_800 } },
    { given: { steps: 500 }, parsed: { policy: "steps", steps: 500 } },
  ])("$given is $parsed", ({ given, parsed }) => {
    expect(CheckpointEvery.parse(given)).toEqual(parsed);
  });

  it.each([
    "0s",
    "0.0001ms",
    "8d",
    "never",
    "",
    10,
    { steps: 0 },
    { steps: 1.5 },
    {},
    { steps: 5, seconds: 5 },
    null,
  ])("%j is refused", (given) => {
    expect(CheckpointEvery.safeParse(given).success).toBe(false);
  });
});

describe("the mean time between failures", () => {
  const markets = fc.constantFrom("spot", "on-demand", "local");

  it("begins at the prior of its market, and is soon what is seen", () => {
    fc.assert(
      fc.property(
        markets,
        seconds(60, 1e7),
        fc.integer({ min: 200, max: 10_000 }),
        (market, true_, failures) => {
          expect(meanSecondsBetweenFailures({ market, exposureSeconds: 0, failures: 0 })).toBe(
            failurePriors[market].meanSeconds,
          );
          const seen = meanSecondsBetweenFailures({ market, exposureSeconds: true_ * failures, failures });
          const prior = failurePriors[market].meanSeconds;
          atMost(Math.abs(seen - true_), Math.abs(prior - true_) / failures);
        },
      ),
    );
  });

  it("lies between the prior's and the observed one, grows with time and falls with each failure", () => {
    fc.assert(
      fc.property(
        markets,
        ordered(anySeconds),
        fc.integer({ min: 1, max: 1_000_000 }),
        (market, [less, more], failures) => {
          const estimate = (exposureSeconds: number, failures: number) =>
            meanSecondsBetweenFailures({ market, exposureSeconds, failures });
          const prior = failurePriors[market].meanSeconds;
          atMost(estimate(less, failures), Math.max(prior, less / failures));
          atMost(Math.min(prior, less / failures), estimate(less, failures));
          atMost(estimate(less, failures), estimate(more, failures));
          atMost(estimate(less, failures), estimate(less, failures - 1));
          expect(estimate(less, failures)).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe("Daly's interval", () => {
  it("is Young's where a save costs little, less a save and a third of one", () => {
    fc.assert(
      fc.property(seconds(1e-3, 100), (pauseSeconds) => {
        const meanSeconds = pauseSeconds * 1e8;
        const young = youngSeconds(pauseSeconds, meanSeconds);
        expect(dalySeconds(pauseSeconds, meanSeconds) / young).toBeCloseTo(1, 3);
      }),
    );
  });

  it("costs hardly more than the exact optimum for exponential failures", () => {
    // Daly's expected time of a run, for each second of training, less what does not depend on the interval.
    const paid = (interval: number, pauseSeconds: number, meanSeconds: number) =>
      Math.expm1((interval + pauseSeconds) / meanSeconds) / (interval / meanSeconds);
    fc.assert(
      fc.property(seconds(1e-6, 2), mean, (share, meanSeconds) => {
        const pauseSeconds = share * meanSeconds;
        const chosen = paid(dalySeconds(pauseSeconds, meanSeconds), pauseSeconds, meanSeconds);
        for (let step = -60; step <= 60; step++) {
          const other = dalySeconds(pauseSeconds, meanSeconds) * 1.1 ** step;
          atMost(chosen, 1.002 * paid(other, pauseSeconds, meanSeconds));
        }
      }),
    );
  });

  it("is the mean where a save takes twice as long or longer", () => {
    expect([2, 3, 1e6].map((pauseSeconds) => dalySeconds(pauseSeconds, 1))).toEqual([1, 1, 1]);
    expect(dalySeconds(1.9, 1)).toBeLessThan(0.9);
  });

  it("grows with the pause and with the mean, and knows no unit of time", () => {
    fc.assert(
      fc.property(ordered(pause), ordered(mean), seconds(1e-3, 1e3), ([p, q], [m, n], unit) => {
        atMost(dalySeconds(p, m), dalySeconds(q, m));
        atMost(dalySeconds(p, m), dalySeconds(p, n));
        const scaled = dalySeconds(p * unit, m * unit) / unit;
        atMost(Math.abs(scaled - dalySeconds(p, m)), 1e-6 * Math.max(p, dalySeconds(p, m)));
      }),
    );
  });
});

describe("the interval of auto", () => {
  const interval = (save: SaveCost | undefined, meanSeconds: number) =>
    checkpointIntervalSeconds({ save, meanSecondsBetweenFailures: meanSeconds });

  it("is finite, within its bounds, and never shorter than a save takes, for all that can be measured", () => {
    fc.assert(
      fc.property(anySeconds, anySeconds, anySeconds, (pauseSeconds, durable, meanSeconds) => {
        const save = SaveCost.parse(cost(pauseSeconds, durable));
        const chosen = interval(save, meanSeconds);
        expect(Number.isFinite(chosen)).toBe(true);
        expect(chosen).toBeGreaterThanOrEqual(Math.max(shortestIntervalSeconds, save.seconds));
        expect(chosen).toBeLessThanOrEqual(Math.max(longestIntervalSeconds, save.seconds));
      }),
    );
  });

  it("grows with the pause, with the time until a save is durable, and with the mean", () => {
    fc.assert(
      fc.property(ordered(pause), ordered(pause), ordered(mean), ([p, q], [d, e], [m, n]) => {
        const [late, later] = [q + d, q + e];
        atMost(interval(cost(p, late), m), interval(cost(q, late), m));
        atMost(interval(cost(p, late), m), interval(cost(p, later), m));
        atMost(interval(cost(p, late), m), interval(cost(p, late), n));
      }),
    );
  });

  it("does not follow the time until a save is durable where saves are further apart than that", () => {
    expect(interval(cost(30, 30), 4 * 3600)).toBe(interval(cost(30, 600), 4 * 3600));
    expect(interval(cost(1, 600), 3600)).toBe(600);
  });

  it("takes a save for one of 30 s before there was one", () => {
    expect(interval(undefined, 7200)).toBe(interval(cost(assumedPauseSeconds), 7200));
    expect(interval(undefined, 7200)).toBeGreaterThan(600);
    expect(interval(undefined, 7200)).toBeLessThan(900);
  });
});

describe("a save is due", () => {
  it("after the interval, not before; by steps where the job counts those", () => {
    const due = (secondsSinceLastSave: number, stepsSinceLastSave?: number, everySteps?: number) =>
      saveIsDue({ secondsSinceLastSave, stepsSinceLastSave, everySteps, everySeconds: 600 });
    expect([599, 600, 601].map((seconds) => due(seconds))).toEqual([false, true, true]);
    expect([99, 100, 101].map((steps) => due(9999, steps, 100))).toEqual([false, true, true]);
    expect(due(1, undefined, 100)).toBe(true);
    expect(saveIsDue({ secondsSinceLastSave: 1e9 })).toBe(false);
  });

  it("now rather than at the next chance, exactly where that costs less by Young's model", () => {
    fc.assert(
      fc.property(seconds(1, 1e5), seconds(1, 1e5), seconds(1, 1e5), (since, next, every) => {
        const loss = (interval: number) => every ** 2 / interval + interval;
        const [now, then] = [loss(since), loss(since + next)];
        fc.pre(Math.abs(now - then) > 1e-9 * now);
        expect(saveIsDue({ secondsSinceLastSave: since, everySeconds: every, nextChanceSeconds: next })).toBe(
          now < then,
        );
      }),
    );
  });
});

describe("the end of an epoch", () => {
  it("always has a checkpoint with epoch, and with auto unless saves are known to be expensive", () => {
    const [cheap, expensive] = [cost(1, 1), cost(1.1, 1.1)];
    for (const save of [undefined, cheap, expensive]) {
      expect(epochEnds({ policy: "epoch" }, save)).toBe("always");
      expect(epochEnds({ policy: "auto" }, save)).toBe(save === expensive ? "when-due" : "always");
      expect(epochEnds({ policy: "time", seconds: 300 }, save)).toBe("when-due");
      expect(epochEnds({ policy: "steps", steps: 5 }, save)).toBe("when-due");
    }
  });

  it("is not held up by a save that takes longer than the epoch", () => {
    const save = cost(0.1, 60);
    expect([30, 59.5, 60, undefined].map((epoch) => epochEnds({ policy: "auto" }, save, epoch))).toEqual([
      "when-due",
      "always",
      "always",
      "always",
    ]);
    expect(epochEnds({ policy: "auto" }, cost(0.02, 0.5), 0.005)).toBe("always");
  });

  it("that is not always saved is saved where its interval has passed, by time or by steps", () => {
    const due = (every: CheckpointEvery, secondsSinceLastSave: number, stepsSinceLastSave: number) =>
      dueAtEpochEnd({
        every,
        save: cost(30, 60),
        secondsSinceLastSave,
        stepsSinceLastSave,
        intervalSeconds: 600,
      });
    expect([0, 599, 600].map((since) => due({ policy: "auto" }, since, 0))).toEqual([false, false, true]);
    expect([299, 300].map((since) => due({ policy: "time", seconds: 300 }, since, 0))).toEqual([false, true]);
    expect([9, 10].map((steps) => due({ policy: "steps", steps: 10 }, 9999, steps))).toEqual([false, true]);
    expect(due({ policy: "epoch" }, 0, 0)).toBe(true);
  });
});
