import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadDefinition } from "../../local/definition.ts";
import { temporaryFolder } from "../../test/pawl.ts";
import { expectAmongItsLike, expectEnd } from "./check.ts";
import { comparable } from "./comparable.ts";
import { embeddedWorld } from "./embedded.ts";
import { spotInstance } from "./local-place.ts";
import { play } from "./play.ts";
import { scenarios } from "./scenarios.ts";

/** Nothing of it depends on time; a machine that does other things as well may take long. */
const patienceMilliseconds = 180_000;

// Once: else each of those that begin at once would synthesise it.
beforeAll(async () => void (await loadDefinition()), patienceMilliseconds);

/** What the journals of a scenario's runs are, on whatever they are played. */
const expected = (run: string): string => join(import.meta.dirname, "expected", `${run}.txt`);

describe.concurrent("on the embedded runner", () => {
  // One by one: a name that is filled in is cut short.
  for (const scenario of scenarios) {
    it(scenario.name, { timeout: patienceMilliseconds }, async ({ expect, onTestFinished }) => {
      await using folder = await temporaryFolder();
      const metadata = await spotInstance();
      onTestFinished(() => metadata.stop());
      const all = await play(scenario, embeddedWorld(folder.path, metadata));
      if (scenario.amongItsLike !== undefined) expectAmongItsLike(scenario.amongItsLike, all);
      for (const played of all) {
        expectEnd(played);
        if (played.journal.length === 0) continue;
        await expect(`${comparable(played.journal).join("\n")}\n`).toMatchFileSnapshot(
          expected(played.line.run),
        );
      }
    });
  }
});

describe("what journals are expected to be", () => {
  it("is said of the runs of the table, and of no other", async () => {
    const runs = scenarios
      .flatMap(({ lines }) => lines)
      .flatMap(({ run, ends }) => (ends.status === undefined ? [] : [`${run}.txt`]));
    expect((await readdir(join(import.meta.dirname, "expected"))).sort()).toEqual(runs.sort());
  });
});
