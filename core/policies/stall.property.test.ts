import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginPulse,
  type LifeSign,
  observe,
  type Pulse,
  type PulseStart,
  StallPolicy,
  silenceLimitSeconds,
  stalled,
  stallParameters,
  watchEverySeconds,
  watcherSleptSeconds,
} from "./stall.ts";

const auto = StallPolicy.parse({});
const { floorSeconds, gapFactor, firstEpochSeconds, printingFactor, stallFactor } = stallParameters;
const start = 6 * 3600;

/** A watcher that looks every 10 s, as the agent does, and says when it found a stall. */
class Watcher {
  pulse: Pulse;
  now = 1000;
  stalledAt: number | undefined;
  readonly policy: StallPolicy;

  constructor(policy: StallPolicy = auto, start: PulseStart = {}) {
    this.policy = policy;
    this.pulse = beginPulse(this.now, start);
  }

  #see(sign: LifeSign, at: number): void {
    this.now = at;
    this.pulse = observe(this.pulse, sign, at);
    if (this.stalledAt === undefined && stalled(this.policy, this.pulse) !== undefined) this.stalledAt = at;
  }

  /** `seconds` of nothing, with the watcher awake. */
  wait(seconds: number): this {
    const end = this.now + seconds;
    while (end - this.now > watchEverySeconds) this.#see("watch", this.now + watchEverySeconds);
    this.#see("watch", end);
    return this;
  }

  see(...signs: LifeSign[]): this {
    for (const sign of signs) this.#see(sign, this.now);
    return this;
  }

  /** `sign`s so many seconds apart. */
  every(seconds: number, sign: LifeSign, times: number): this {
    for (let time = 0; time < times; time++) this.wait(seconds).see(sign);
    return this;
  }

  /** How long it takes until a stall is found when nothing more happens, or only output every 30 s. */
  foundAfter(printing = false, most = 1e7): number | undefined {
    const from = this.now;
    this.stalledAt = undefined;
    while (this.stalledAt === undefined && this.now - from < most) {
      this.wait(30);
      if (printing) this.see("output");
    }
    return this.stalledAt === undefined ? undefined : this.stalledAt - from;
  }

  get limit(): number | undefined {
    return silenceLimitSeconds(this.policy, this.pulse);
  }
}

/** An epoch of a trainer that steps: 100 steps of a second, and a validation. */
const steppingEpoch = (watcher: Watcher, validation = 10): Watcher =>
  watcher.every(1, "step", 100).wait(validation).see("report");

describe("the job's field", () => {
  it("is auto after a start of 6 h, unless it says otherwise", () => {
    expect(auto).toEqual({ limitSeconds: "auto", startSeconds: start });
    expect(StallPolicy.parse({ limit: "none", start: "none" })).toEqual({
      limitSeconds: "none",
      startSeconds: "none",
    });
    expect(StallPolicy.parse({ limit: "10min", start: "1d" })).toEqual({
      limitSeconds: 600,
      startSeconds: 86_400,
    });
  });

  it.each([
    { limit: "0s" },
    { limit: "999ms" },
    { limit: "8d" },
    { limit: 60 },
    { start: "auto" },
    { stop: "1h" },
  ])("refuses %j", (given) => {
    expect(StallPolicy.safeParse(given).success).toBe(false);
  });
});

describe("a trainer whose gaps never exceed ten times the longest before", () => {
  const growing = fc.array(
    fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }), printing: fc.boolean() }),
    { minLength: 1, maxLength: 60 },
  );
  /** Cut short at a month: the watcher's looks take their time here too. */
  const month = 30 * 86_400;

  it("is never called stalled while it steps, whatever its phases", () => {
    const phases = fc.array(fc.constantFrom<LifeSign>("step", "step", "step", "request", "report"), {
      minLength: 60,
      maxLength: 60,
    });
    fc.assert(
      fc.property(growing, phases, (gaps, signs) => {
        const watcher = new Watcher().wait(60).see("step");
        let longest = 0;
        for (const [index, { share, printing }] of gaps.entries()) {
          const gap = Math.min(month, share * 0.999 * Math.max(floorSeconds, gapFactor * longest));
          if (printing)
            watcher
              .wait(gap / 2)
              .see("output")
              .wait(gap / 2);
          else watcher.wait(gap);
          watcher.see(signs[index] ?? "step");
          longest = Math.max(longest, gap);
        }
        expect(watcher.stalledAt).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  it("is never called stalled where it only reports, after a first epoch within the start", () => {
    fc.assert(
      fc.property(growing, fc.double({ min: 0, max: 0.999, noNaN: true }), (epochs, first) => {
        const watcher = new Watcher().wait(first * start).see("report");
        let longest = first * start;
        for (const { share } of epochs) {
          const epoch = Math.min(month, share * 0.999 * Math.max(floorSeconds, gapFactor * longest));
          watcher.wait(epoch).see("report");
          longest = Math.max(longest, epoch);
        }
        expect(watcher.stalledAt).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });
});

describe("a trainer that gives no sign any more", () => {
  const epochs = fc.integer({ min: 0, max: 3 });
  const seconds = fc.double({ min: 0.1, max: 1000, noNaN: true });

  it("is found one look after its limit, which does not move meanwhile", () => {
    fc.assert(
      fc.property(
        epochs,
        seconds,
        seconds,
        fc.integer({ min: 1, max: 40 }),
        (epochs, step, validation, steps) => {
          const watcher = new Watcher().wait(30).see("step");
          for (let epoch = 0; epoch < epochs; epoch++)
            watcher.every(step, "step", steps).wait(validation).see("report");
          watcher.every(step, "step", steps);
          const limit = watcher.limit ?? Number.POSITIVE_INFINITY;
          const gap = Math.max(step, epochs > 0 ? validation : 0);
          const epoch = steps * step + validation;
          const bound =
            epochs > 0 ? Math.max(gapFactor * gap, epoch) : Math.max(3600, gapFactor * gap, epoch);
          expect(limit).toBeLessThanOrEqual(Math.max(floorSeconds, bound) + 1e-6);
          const found = watcher.foundAfter() ?? Number.POSITIVE_INFINITY;
          expect(watcher.limit).toBe(limit);
          expect(found).toBeGreaterThanOrEqual(limit - 1e-6);
          expect(found).toBeLessThanOrEqual(limit + watchEverySeconds + 1e-6);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is found after the start where it never began", () => {
    expect(new Watcher().foundAfter()).toBe(start);
    expect(new Watcher(StallPolicy.parse({ start: "10min" })).foundAfter()).toBe(600);
  });

  it("is found in 5 min where it steps each second", () => {
    expect(steppingEpoch(steppingEpoch(new Watcher())).every(1, "step", 50).foundAfter()).toBe(floorSeconds);
  });

  it("is found though it prints on, in four times as long", () => {
    const hung = steppingEpoch(steppingEpoch(new Watcher())).every(1, "step", 50);
    expect(hung.foundAfter(true)).toBe(printingFactor * floorSeconds);
    const reporting = new Watcher().wait(600).see("report").wait(600).see("report");
    expect(reporting.foundAfter(true)).toBe(printingFactor * gapFactor * 600);
  });

  it("is found at the job's own limit, printing or not; without steps, output is life", () => {
    const policy = StallPolicy.parse({ limit: "2min" });
    const hung = () => steppingEpoch(new Watcher(policy)).every(1, "step", 50);
    expect(hung().foundAfter()).toBe(120);
    expect(hung().foundAfter(true)).toBe(120);
    const silent = () => new Watcher(policy).wait(60).see("report");
    expect(silent().foundAfter()).toBe(120);
    expect(silent().foundAfter(true, 1e5)).toBeUndefined();
  });

  it("is let be with none", () => {
    const policy = StallPolicy.parse({ limit: "none", start: "none" });
    expect(new Watcher(policy).foundAfter(false, 1e5)).toBeUndefined();
    expect(steppingEpoch(new Watcher(policy)).foundAfter(false, 1e5)).toBeUndefined();
  });
});

describe("the limit", () => {
  it("has no unit: a trainer so many times slower gets so many times as long, above the floors", () => {
    const story = fc.array(
      fc.tuple(
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom<LifeSign>("step", "report", "request", "output", "pause", "resume"),
      ),
      { minLength: 5, maxLength: 40 },
    );
    fc.assert(
      fc.property(story, fc.integer({ min: 2, max: 50 }), fc.boolean(), (signs, slower, stepping) => {
        const limit = (factor: number) => {
          // The longest gap is well above the floors.
          const watcher = new Watcher();
          if (stepping) watcher.see("step");
          watcher.wait(2000 * factor).see("report");
          for (const [seconds, sign] of signs)
            if (stepping || sign !== "step") watcher.wait(seconds * factor).see(sign);
          return watcher.limit ?? Number.NaN;
        };
        expect(limit(slower) / limit(1)).toBeCloseTo(slower, 6);
      }),
      { numRuns: 30 },
    );
  });

  it("lets the first validation last an hour, or as long as the epoch was trained, earlier attempts too", () => {
    const first = (seconds: number, earlierSeconds = 0) =>
      new Watcher(auto, { earlierSeconds }).see("step").every(seconds / 100, "step", 100).limit;
    expect(first(100)).toBe(firstEpochSeconds);
    expect(first(2 * 3600)).toBeCloseTo(2 * 3600, 6);
    expect(first(100, 5 * 3600)).toBeCloseTo(5 * 3600 + 100, 6);
  });

  it("knows the longest validation and the longest pause between epochs ever after", () => {
    const validated = steppingEpoch(new Watcher(), 900);
    expect(validated.every(1, "step", 50).limit).toBe(gapFactor * 900);
    expect(steppingEpoch(steppingEpoch(validated)).limit).toBe(gapFactor * 900);
    expect(steppingEpoch(new Watcher()).wait(100).see("step").limit).toBe(gapFactor * 100);
  });

  it("learns nothing from what comes before the first step", () => {
    const begun = (watcher: Watcher) => steppingEpoch(watcher.see("step")).limit;
    expect(begun(new Watcher().wait(3600).see("request").wait(3600))).toBe(begun(new Watcher()));
  });

  it("is a quarter of the longest epoch at least, for a validation that comes in some epochs only", () => {
    const watcher = new Watcher().see("step").every(10, "step", 1080).see("report");
    expect(watcher.limit).toBe(10_800 / 4);
  });

  it("counts what earlier attempts trained of the first epoch, and of no other", () => {
    const watcher = new Watcher(auto, { earlierSeconds: 40_000 })
      .see("step")
      .every(1, "step", 100)
      .see("report");
    expect(watcher.limit).toBe(40_100 / 4);
    expect(watcher.every(1, "step", 300).see("report").limit).toBe(40_100 / 4);
  });

  it("is two epochs at least where a trainer without steps printed in one and may not in the next", () => {
    expect(new Watcher().every(10, "output", 360).see("report").limit).toBe(2 * 3600);
  });

  it("is four times as long after each stall, so that what was only slow gets through", () => {
    const limit = (stalls: number) => steppingEpoch(new Watcher(auto, { stalls })).limit ?? Number.NaN;
    const more = [0, 1, 2, 3, 4, 100].map((stalls) => limit(stalls) / limit(0));
    expect(more).toEqual([
      1,
      stallFactor,
      stallFactor ** 2,
      stallFactor ** 3,
      stallFactor ** 3,
      stallFactor ** 3,
    ]);
  });
});

describe("time in which no sign is expected", () => {
  it("does not count: the agent is busy", () => {
    const watcher = steppingEpoch(new Watcher()).see("pause", "pause").wait(86_400).see("resume");
    expect(watcher.wait(86_400).stalledAt).toBeUndefined();
    watcher.see("resume").wait(5).see("step");
    expect(watcher.limit).toBe(floorSeconds);
    expect(watcher.foundAfter()).toBe(floorSeconds);
  });

  it("is over with the last of its pauses, and one resumed too often does no harm", () => {
    const watcher = steppingEpoch(new Watcher()).see("resume", "pause").wait(86_400);
    expect(watcher.stalledAt).toBeUndefined();
    expect(watcher.see("resume").foundAfter()).toBe(floorSeconds);
  });

  it("does not count: the watcher slept, as with a laptop's lid closed", () => {
    const watcher = steppingEpoch(new Watcher());
    watcher.now += 8 * 3600;
    watcher.see("watch");
    expect(watcher.stalledAt).toBeUndefined();
    watcher.now += 8 * 3600;
    watcher.see("step");
    expect(watcher.pulse.longestGapSeconds).toBeLessThanOrEqual(2 * watcherSleptSeconds);
    expect(watcher.stalledAt).toBeUndefined();
  });

  it("does not count: the clock was put back", () => {
    const watcher = steppingEpoch(new Watcher());
    watcher.now -= 86_400;
    expect(watcher.see("watch").foundAfter()).toBe(floorSeconds);
  });
});
