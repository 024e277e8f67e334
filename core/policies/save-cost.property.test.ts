import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leavingSeconds, observeSave, SaveCost, saveFits } from "./save-cost.ts";

interface Seen {
  readonly pauseSeconds: number;
  readonly seconds: number;
}

const seconds = fc.double({ min: 0, max: 1e300, noNaN: true });
const save = fc
  .tuple(seconds, seconds)
  .map(([a, b]): Seen => ({ pauseSeconds: Math.min(a, b), seconds: Math.max(a, b) }));
const after = (saves: readonly Seen[]): SaveCost | undefined =>
  saves.reduce<SaveCost | undefined>(observeSave, undefined);
const known = fc.array(save, { minLength: 1, maxLength: 30 }).map((saves) => {
  const cost = after(saves);
  if (cost === undefined) throw new Error("nothing was observed");
  return { saves, cost };
});
const usually = (seconds: number, times = 20): SaveCost | undefined =>
  after(Array.from({ length: times }, () => ({ pauseSeconds: 1, seconds })));

describe("what a save costs", () => {
  it("is always a valid part of a run's state, and within what was seen", () => {
    fc.assert(
      fc.property(known, ({ saves, cost }) => {
        expect(SaveCost.parse(cost)).toEqual(cost);
        expect(cost.saves).toBe(saves.length);
        const times = saves.map((each) => each.seconds);
        const slack = 1 + 1e-9;
        expect(cost.seconds).toBeLessThanOrEqual(Math.max(...times) * slack);
        expect(cost.seconds).toBeGreaterThanOrEqual(Math.min(...times) / slack - 1e-300);
        expect(cost.worstSeconds).toBeLessThanOrEqual(Math.max(...times) * slack);
        expect(cost.worstSeconds).toBeGreaterThanOrEqual(cost.seconds / slack);
      }),
    );
  });

  it("is what it was where it stays the same, and follows where it changes", () => {
    expect(usually(40)?.seconds).toBeCloseTo(40, 9);
    const grown = Array.from({ length: 20 }).reduce<SaveCost | undefined>(
      (cost) => observeSave(cost, { pauseSeconds: 100, seconds: 4000 }),
      usually(40),
    );
    expect(grown?.seconds).toBeGreaterThan(3900);
    expect(grown?.pauseSeconds).toBeGreaterThan(95);
  });

  it("is a plain mean of the first three", () => {
    const cost = after([20, 40, 60].map((seconds) => ({ pauseSeconds: seconds / 10, seconds })));
    expect(cost?.seconds).toBeCloseTo(40, 9);
    expect(cost?.pauseSeconds).toBeCloseTo(4, 9);
  });

  it("is not spoilt by one save during which the machine slept", () => {
    const slept = observeSave(usually(40), { pauseSeconds: 30_000, seconds: 30_000 });
    expect(slept.seconds).toBeLessThan(80);
    expect(slept.pauseSeconds).toBeLessThan(4);
    expect(slept.worstSeconds).toBe(160);
  });

  it("remembers the worst for some saves, and forgets it then", () => {
    const worst = observeSave(usually(40), { pauseSeconds: 1, seconds: 90 });
    const later = (saves: number) =>
      Array.from({ length: saves }).reduce<SaveCost>(
        (cost) => observeSave(cost, { pauseSeconds: 1, seconds: 40 }),
        worst,
      ).worstSeconds;
    expect(worst.worstSeconds).toBe(90);
    expect(later(3)).toBeGreaterThan(70);
    expect(later(50)).toBeLessThan(41);
  });
});

describe("a save before the machine is lost", () => {
  it("is begun where one as usual is done in time, with what it takes to leave", () => {
    const fits = (secondsLeft: number) => saveFits({ secondsLeft, save: usually(40) });
    expect([40 + leavingSeconds - 0.1, 40 + leavingSeconds + 0.1].map(fits)).toEqual([false, true]);
  });

  it("is begun where nobody knows how long one takes, unless it would hinder another", () => {
    expect(saveFits({ secondsLeft: 30, save: undefined })).toBe(true);
    expect(saveFits({ secondsLeft: leavingSeconds, save: undefined })).toBe(false);
    expect(saveFits({ secondsLeft: 3600, save: undefined, underWay: true })).toBe(false);
  });

  it("fits with more time if it fits with less, and beside another save only if it does alone", () => {
    fc.assert(
      fc.property(known, seconds, seconds, fc.boolean(), ({ cost }, a, b, underWay) => {
        const fits = (secondsLeft: number, underWay: boolean) =>
          saveFits({ secondsLeft, save: cost, underWay });
        expect(fits(Math.max(a, b), underWay) || !fits(Math.min(a, b), underWay)).toBe(true);
        expect(fits(a, false) || !fits(a, true)).toBe(true);
      }),
    );
  });

  it("beside another one needs time for the worst, and the more the fewer were seen", () => {
    const fits = (saves: number) => (secondsLeft: number) =>
      saveFits({ secondsLeft: secondsLeft + leavingSeconds, save: usually(40, saves), underWay: true });
    expect([79, 81].map(fits(1))).toEqual([false, true]);
    expect([43, 45].map(fits(10))).toEqual([false, true]);
  });
});
