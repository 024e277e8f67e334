import { describe, expect, it } from "vitest";
import { StateMachine } from "../chaos/virtual/machine.ts";
import { plantedBugs } from "../chaos/virtual/planted.ts";
import { virtualRun } from "../chaos/virtual/run.ts";
import { loadDefinition } from "../local/definition.ts";

const machine = StateMachine.parse(await loadDefinition());
const seed = 2026;

describe("a run to which everything happens, in virtual time", () => {
  it("ends with the result of the calm run, and with nothing unexplained or left behind", async () => {
    let faults = 0;
    for (let number = 0; number < 10; number += 1) {
      const { problems, injected, story } = await virtualRun({ seed, number, machine });
      expect(problems, story.join("\n")).toEqual([]);
      faults += Object.values(injected).reduce((sum, count) => sum + count, 0);
    }
    expect(faults).toBeGreaterThan(20);
  });

  it("is the same each time", async () => {
    const [first, second] = [
      await virtualRun({ seed, number: 3, machine, story: true }),
      await virtualRun({ seed, number: 3, machine, story: true }),
    ];
    expect(second.story).toEqual(first.story);
  });

  it("goes well without a fault", async () => {
    const { problems, injected, failures } = await virtualRun({ seed, number: 1, machine, calm: true });
    expect({ problems, injected }).toEqual({ problems: [], injected: {} });
    expect(failures).toBe(0);
  });

  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))(
    "shows it where %s",
    async (_, { finds, ...planted }) => {
      const found: string[] = [];
      for (let number = 0; number < 40 && found.every((problem) => !finds.test(problem)); number += 1)
        found.push(...(await virtualRun({ seed, number, machine, planted })).problems);
      expect(found).toContainEqual(expect.stringMatching(finds));
    },
  );
});
