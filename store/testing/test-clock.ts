import type { Clock } from "../s3-retry.ts";

/** A clock that goes on only while somebody sleeps, and chance that is always the same. */
export function testClock(random: number) {
  const waits: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      now += milliseconds;
    },
    random: () => random,
  };
  return { clock, waits };
}
