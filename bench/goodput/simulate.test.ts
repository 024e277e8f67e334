import { describe, expect, it } from "vitest";
import { FailureHistory, type Process } from "./failures.ts";
import { paidSeconds } from "./simulate.ts";
import { epochOnly, fixed } from "./strategies.ts";

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const always = () => 1;
const never = () => Number.POSITIVE_INFINITY;
const work = { total: 36_000, epoch: 3600, restart: 300, pause: 60, durable: 60 };

describe("synthetic failures", () => {
  it.each<[Process, number]>([
    ["exponential", 1],
    // Γ(1 + 2/k)/Γ(1 + 1/k)² − 1 for the shape k = 0.7.
    ["weibull", 2.1387],
  ])("%s: lives have the mean 1 and their variance", (process, variance) => {
    const history = new FailureHistory(process, 5);
    const lives = Array.from({ length: 200_000 }, (_, index) => history.life(index));
    expect(mean(lives)).toBeCloseTo(1, 1.7);
    expect(mean(lives.map((life) => (life - 1) ** 2)) / variance).toBeCloseTo(1, 1);
  });

  it("are the same for everybody who asks, in whatever order", () => {
    const [a, b] = [new FailureHistory("weibull", 5), new FailureHistory("weibull", 5)];
    expect([a.life(7), a.life(0)]).toEqual([b.life(0), b.life(7)].toReversed());
    expect(new FailureHistory("weibull", 6).life(0)).not.toBe(a.life(0));
  });
});

describe("a simulated run", () => {
  it("without failures pays for its training, one start, and its saves", () => {
    expect(paidSeconds(work, epochOnly(), never, always)).toBe(36_000 + 300 + 10 * 60);
    expect(paidSeconds(work, fixed(1000), never, always)).toBe(36_000 + 300 + 36 * 60);
    expect(paidSeconds(work, fixed(7000), never, always)).toBe(36_000 + 300 + 6 * 60);
  });

  it("goes on while a save is under way, and waits for the last one alone", () => {
    const background = { ...work, pause: 10, durable: 400 };
    expect(paidSeconds(background, epochOnly(), never, always)).toBe(36_000 + 300 + 9 * 10 + 400);
    // Two saves do not overlap: after the first at 60 s there is one every 390 s, 93 in all. The last of these holds up the
    // one at the end for 330 s.
    expect(paidSeconds(background, fixed(60), never, always)).toBe(36_000 + 300 + 93 * 10 + 330 + 400);
  });

  it("goes back to the last durable save, which one that was under way is not", () => {
    const lives = (...seconds: number[]) => {
      return (instance: number) => seconds[instance] ?? Number.POSITIVE_INFINITY;
    };
    const blocking = (life: number) => paidSeconds(work, epochOnly(), lives(life), always) - life;
    const whole = 36_000 + 300 + 10 * 60;
    expect(blocking(300 + 3600 + 59)).toBe(whole);
    expect(blocking(300 + 3600 + 61)).toBe(whole - 3660);
    const background = { ...work, pause: 10, durable: 400 };
    const behind = (life: number) => paidSeconds(background, epochOnly(), lives(life), always) - life;
    const all = 36_000 + 300 + 9 * 10 + 400;
    expect(behind(300 + 3600 + 399)).toBe(all);
    expect(behind(300 + 3600 + 401)).toBe(all - 3610);
    expect(behind(100)).toBe(all);
  });

  it.each([
    { meanSeconds: 1800, interval: 500 },
    { meanSeconds: 3600, interval: 900 },
    { meanSeconds: 14_400, interval: 1800 },
  ])(
    "takes as long as Daly's model says where failures are exponential (%o)",
    ({ meanSeconds, interval }) => {
      const runs = 4000;
      const paid = Array.from({ length: runs }, (_, run) => {
        const history = new FailureHistory("exponential", run);
        return paidSeconds(work, fixed(interval), (instance) => history.life(instance) * meanSeconds, always);
      });
      // Daly (2006): M·e^(R/M)·(e^((τ+δ)/M) − 1) for each interval, and the first start.
      const grown = (seconds: number) => Math.exp(seconds / meanSeconds);
      const intervals = work.total / interval;
      const expected =
        intervals * meanSeconds * grown(work.restart) * (grown(interval + work.pause) - 1) +
        meanSeconds * (grown(work.restart) - 1);
      expect(mean(paid) / expected).toBeCloseTo(1, 1.7);
    },
  );
});
