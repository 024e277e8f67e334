import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import type { EpochPlan } from "../core/report.ts";
import { randomFrom, trainCalm, trainCut } from "./cut-training.ts";
import { upTo } from "./projects.ts";
import { type Helper, helpers, makeTestTrainers, type TestTrainers } from "./trainer-helpers.ts";

const plans = [7, 3, 50].map(
  (batchSize, i): EpochPlan => ({
    epoch: i + 1,
    seed: 5,
    batchSize,
    learningRateScale: 1,
    checkpoint: true,
  }),
);
const State = z.tuple([z.array(z.array(z.number())), z.number(), z.number()]);

let trainers: TestTrainers;
beforeAll(() => {
  trainers = makeTestTrainers();
});
afterAll(() => trainers?.[Symbol.dispose]());

const starting = (helper: Helper) => (socketPath: string) =>
  trainers.start(helper, "cut", [], { PAWL_SOCKET: socketPath });

/** The examples of each epoch, as the last checkpoint has them. */
const seenIn = ({ files }: { readonly files: Readonly<Record<string, string>> }): number[][] =>
  State.parse(JSON.parse(Buffer.from(files["state.json"] ?? "", "hex").toString("utf8")))[0];

describe.each(helpers)("an epoch that is cut, in $helper", ({ helper }) => {
  it("sees each example once and ends with the same weights, wherever it is saved, cut and gone on with", async () => {
    const calm = await trainCalm(starting(helper), plans);
    const each = upTo(50).map((number) => number - 1);
    expect(seenIn(calm).map((epoch) => epoch.toSorted((a, b) => a - b))).toEqual([each, each, each]);
    expect(calm.reports).toHaveLength(3);
    let [resumed, cuts] = [0, 0];
    for (const seed of upTo(8)) {
      const random = randomFrom(seed);
      const { trained, way } = await trainCut(starting(helper), plans, { random, cuts: 6, between: 3 });
      expect({ seed, ...trained }).toEqual({ seed, ...calm });
      resumed += way.resumed;
      cuts += way.cuts;
    }
    // Neither may be rare, or nothing has been shown.
    expect(resumed).toBeGreaterThan(10);
    expect(cuts).toBeGreaterThan(20);
  }, 240_000);
});

it("an epoch that is cut comes out the same in each helper", async () => {
  const [python, javascript] = await Promise.all(
    helpers.map(async ({ helper }) => {
      const { trained } = await trainCut(starting(helper), plans, {
        random: randomFrom(99),
        cuts: 4,
        between: 4,
      });
      return { seen: seenIn(trained), reports: trained.reports };
    }),
  );
  expect(python).toEqual(javascript);
});
