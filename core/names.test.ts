import fc from "fast-check";
import { expect, it } from "vitest";
import { automaticRun, Name, runNumber } from "./names.ts";

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$/);

it("a run's automatic name is a name, however long its job's, and gives its number back", () => {
  expect(automaticRun("digits", 3)).toBe("digits-3");
  expect(automaticRun("x".repeat(60), 12)).toBe(`${"x".repeat(57)}-12`);
  fc.assert(
    fc.property(name, fc.integer({ min: 1, max: 999_999_999 }), (job, number) => {
      const run = automaticRun(job, number);
      expect(Name.safeParse(run).success).toBe(true);
      expect(runNumber(job, run)).toBe(number);
    }),
  );
});

it("a name that somebody gave is no number's", () => {
  for (const run of ["digits", "digits-", "digits-0", "digits-01", "digits-x", "digits-best-3", "other-3"]) {
    expect(runNumber("digits", run)).toBe(undefined);
  }
});
