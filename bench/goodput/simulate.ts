import type { Saver } from "./strategies.ts";

/** All in seconds. */
export interface Work {
  /** Training that the run needs. */
  readonly total: number;
  readonly epoch: number;
  /** From an instance's start (paid for) until it trains: boot, image, restore. */
  readonly restart: number;
  /** For how long a save halts training. */
  readonly pause: number;
  /** From a save's start until it is durable; at least `pause`. */
  readonly durable: number;
}

/** How long the instances of a run were paid for, in seconds, until its last checkpoint is durable. */
export function paidSeconds(
  work: Work,
  saver: Saver,
  lives: (instance: number) => number,
  saveFactor: () => number,
): number {
  let paid = 0;
  let safe = 0;
  for (let instance = 0; ; instance++) {
    const life = lives(instance);
    const attempt = live(work, saver, safe, life, saveFactor);
    if (attempt.done) return paid + attempt.age;
    paid += life;
    safe = attempt.safe;
    saver.failed(life);
  }
}

/** One attempt, from what was `safe` before: until it is done, or its instance is lost at the age of `life`. */
function live(work: Work, saver: Saver, before: number, life: number, saveFactor: () => number) {
  let age = work.restart;
  let trained = before;
  let safe = before;
  let savedFrom = before;
  /** The save on its way: what it holds, and when it is durable. */
  let holds = -1;
  let durableAt = Number.POSITIVE_INFINITY;
  let cost = { pauseSeconds: 0, seconds: 0 };
  while (age < life) {
    const underWay = holds >= 0;
    // A thousandth of a second, so that rounding does not find the same end of an epoch twice.
    const epochEnd = Math.min(work.total, (Math.floor((trained + 0.001) / work.epoch) + 1) * work.epoch);
    const due = underWay
      ? Number.POSITIVE_INFINITY
      : Math.max(trained, savedFrom + saver.saving.everySeconds);
    const stop = trained >= work.total ? trained : Math.min(epochEnd, due);
    const waits = trained >= work.total && underWay;
    const stopAt = waits ? Number.POSITIVE_INFINITY : age + stop - trained;
    if (durableAt <= stopAt) {
      if (durableAt >= life) break;
      trained = Math.min(work.total, trained + durableAt - age);
      age = durableAt;
      safe = holds;
      holds = -1;
      durableAt = Number.POSITIVE_INFINITY;
      saver.saved(cost, age);
      if (safe >= work.total) return { done: true, age, safe };
      continue;
    }
    age = stopAt;
    trained = stop;
    if (underWay || !(trained >= work.total || stop === due || saver.saving.atEpochEnds)) continue;
    const factor = saveFactor();
    cost = { pauseSeconds: work.pause * factor, seconds: work.durable * factor };
    holds = trained;
    savedFrom = trained;
    durableAt = age + cost.seconds;
    age += cost.pauseSeconds;
  }
  return { done: false, age: life, safe };
}
