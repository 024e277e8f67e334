import { describe, expect, it } from "vitest";
import { defaultLimits } from "../core/decision.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { recoverRun } from "../lambdas/recover.ts";
import { reviewRun } from "../lambdas/review.ts";
import { StateError } from "../local/interpreter.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { type Call, InProcessMachine, type MachineOptions, modelAfter, run } from "./in-process-machine.ts";

const freshFolder = temporaryFolders({ fast: true });

/** Step Functions ends an execution whose history is longer. */
const mostEvents = 25_000;

const upTo = (epochs: number): number[] => Array.from({ length: epochs }, (_, index) => index + 1);

/** What a run's journal told while it was written. */
class Witness {
  readonly committed: number[] = [];
  readonly openers: string[] = [];
  entries = 0;
  longestEntry = 0;

  readonly see = (entry: JournalEntry): void => {
    this.entries += 1;
    expect(entry.sequence).toBe(this.entries);
    if (entry.event.type === "open") this.openers.push(entry.event.driver.execution);
    if (entry.event.type !== "commit") return;
    this.committed.push(entry.event.epoch);
    this.longestEntry = Math.max(this.longestEntry, JSON.stringify(entry).length);
  };
}

async function expectWhole(machine: InProcessMachine, witness: Witness, epochs: number): Promise<void> {
  expect(await machine.state()).toMatchObject({
    status: "finished",
    live: [],
    progress: { epoch: epochs, examples: 10 * epochs },
  });
  expect(witness.committed).toEqual(upTo(epochs));
  expect(machine.trained).toEqual(upTo(epochs));
  expect(await machine.model()).toBe(modelAfter(epochs));
}

describe("a run of 5,000 cold epochs", () => {
  it("passes over fresh executions, loses nothing, and no history and no entry of it is long", async () => {
    const epochs = 5000;
    const witness = new Witness();
    const machine = await InProcessMachine.make(await freshFolder(), {
      limits: defaultLimits,
      onWritten: witness.see,
    });
    machine.start("first", { job: { name: "long", command: ["true"], epochs, segment: 1 }, run });
    const ended = await machine.settled();
    await expectWhole(machine, witness, epochs);
    expect([...ended.values()]).toEqual(Array.from({ length: 5 }, () => "SUCCEEDED"));
    expect(witness.openers).toEqual([...ended.keys()]);
    for (const [name, { events }] of machine.executions) {
      expect(events, name).toBeGreaterThan(1000);
      expect(events, name).toBeLessThan(mostEvents);
    }
    expect(witness.longestEntry).toBeLessThan(16 * 1024);
    // Of the store's checkpoints those are left that are kept: nothing is forgotten at a hand-over.
    const left: string[] = [];
    for await (const name of machine.ports.store.children(`checkpoints/${run}/`)) left.push(name);
    expect(left.sort()).toEqual((await machine.state()).kept.map(({ name }) => name).sort());
  }, 400_000);
});

const epochs = 25;
const input = { job: { name: "long", command: ["true"], epochs, segment: 1 }, run };

/** A machine that hands over after every third turn, with what a test puts around its calls. */
async function handingOver(more: Pick<MachineOptions, "around" | "append"> = {}) {
  const witness = new Witness();
  const limits = { turnsPerExecution: 3 };
  const machine = await InProcessMachine.make(await freshFolder(), {
    limits,
    onWritten: witness.see,
    ...more,
  });
  machine.start("first", input);
  return { machine, witness };
}

/** Does `act` at the first call of `state` only. */
function once(state: string, act: (call: Call, go: () => Promise<unknown>) => Promise<unknown>) {
  let done = false;
  return async (call: Call, go: () => Promise<unknown>): Promise<unknown> => {
    if (done || call.state !== state) return await go();
    done = true;
    return await act(call, go);
  };
}

const never = (): Promise<never> => new Promise(() => {});

describe("a hand-over", () => {
  it("that goes well leaves one history, and each execution drives it once", async () => {
    const { machine, witness } = await handingOver();
    const ended = await machine.settled();
    await expectWhole(machine, witness, epochs);
    expect(new Set(ended.values())).toEqual(new Set(["SUCCEEDED"]));
    expect(ended.size).toBeGreaterThan(5);
    expect(witness.openers).toEqual([...ended.keys()]);
  });

  /** The execution is gone without a word, as one that somebody aborts, at this point of its first hand-over. */
  const crashes: [string, (machine: () => InProcessMachine) => Pick<MachineOptions, "around" | "append">][] =
    [
      [
        "before its entry is written",
        (machine) => {
          let crashed = false;
          return {
            append: async (entry, write) => {
              if (crashed || entry.decision.kind !== "handed-over") return await write();
              crashed = true;
              machine().abort("first");
              throw new Error("the function is gone");
            },
          };
        },
      ],
      [
        "after its entry, when its answer is lost",
        (machine) => {
          let crashed = false;
          return {
            append: async (entry, write) => {
              const written = await write();
              if (crashed || entry.decision.kind !== "handed-over") return written;
              crashed = true;
              machine().abort("first");
              throw new Error("the function is gone");
            },
          };
        },
      ],
      [
        "before it starts the fresh execution",
        (machine) => ({
          around: once("Continue", async () => {
            machine().abort("first");
            return await never();
          }),
        }),
      ],
    ];

  it.each(crashes)(
    "that is cut off %s is an interruption, and who starts it again goes on",
    async (_, cut) => {
      let started: InProcessMachine | undefined;
      const crashing = cut(() => started ?? expect.unreachable());
      const { machine, witness } = await handingOver(crashing);
      started = machine;
      expect(await machine.settled()).toEqual(new Map([["first", "ABORTED"]]));
      // A successor that is named may still come: so long the run is left alone by who only hears of the end.
      const isNamed = (await machine.state()).successor !== undefined;
      const swept = await machine.sweep("first");
      expect(swept.answers).toMatchObject(isNamed ? [] : [{ action: "swept", status: "interrupted" }]);
      machine.start("again", { run });
      await machine.settled();
      await expectWhole(machine, witness, epochs);
      expect(witness.openers.slice(0, 2)).toEqual(["first", "again"]);
      expect((await machine.sweep("first")).answers).toEqual([]);
    },
  );

  it.each([
    ["aborted", (machine: InProcessMachine) => machine.abort("first")],
    ["left to itself", () => undefined],
  ])("goes on where the one before is %s before it has ended", async (_, end) => {
    let started: InProcessMachine | undefined;
    const around = once("Continue", async (_call, go) => {
      await go();
      if (started !== undefined) end(started);
      // It hears of its answer when all is over.
      await Promise.all([...(started?.executions.values() ?? [])].slice(1).map(({ result }) => result));
    });
    const { machine, witness } = await handingOver({ around });
    started = machine;
    await machine.settled();
    await expectWhole(machine, witness, epochs);
    expect(witness.openers.slice(1)).toEqual([...machine.executions.keys()].slice(1));
    expect((await machine.sweep("first")).answers).toEqual([]);
  });

  it.each([
    ["at once", async (go: () => Promise<unknown>) => [await go(), await go()]],
    [
      "after a lost answer, when the fresh one has ended already",
      async (go: () => Promise<unknown>, machine: InProcessMachine) => {
        await go();
        await [...machine.executions.values()].at(-1)?.result;
        await go();
      },
    ],
  ])("whose fresh execution is started twice, %s, starts one", async (_, twice) => {
    let started: InProcessMachine | undefined;
    const around = once("Continue", async (_call, go) => {
      await twice(go, started ?? expect.unreachable());
      return {};
    });
    const { machine, witness } = await handingOver({ around });
    started = machine;
    const ended = await machine.settled();
    await expectWhole(machine, witness, epochs);
    expect(new Set(ended.values())).toEqual(new Set(["SUCCEEDED"]));
    expect(witness.openers).toEqual([...ended.keys()]);
  });

  it("changes nothing when the functions of the one before are asked late, while the fresh one trains", async () => {
    let started: InProcessMachine | undefined;
    const asked: unknown[] = [];
    const late: unknown[] = [];
    const { machine, witness } = await handingOver({
      around: async ({ execution, state, input: given }, go) => {
        if (execution === "first" && state === "Review") asked.push(given);
        if (execution !== "first" && state === "Train" && late.length === 0 && started !== undefined) {
          const { ports } = started;
          const before = (await started.state()).sequence;
          for (const question of asked) late.push(await reviewRun(ports)(question));
          const attempt = { run, generation: 1, sequence: 0, attempt: 3, error: { Error: "States.Timeout" } };
          late.push(await recoverRun(ports)(attempt));
          expect((await started.state()).sequence).toBe(before);
        }
        return await go();
      },
    });
    started = machine;
    await machine.settled();
    expect(asked).toHaveLength(3);
    expect(late).toHaveLength(4);
    for (const answer of late) expect(answer).toMatchObject({ action: "failed", error: "Pawl.Superseded" });
    await expectWhole(machine, witness, epochs);
  });

  it("that is cut off by a store that fails is tried again by Step Functions, and hands over once", async () => {
    let failures = 0;
    const { machine, witness } = await handingOver({
      around: async ({ state }, go) => {
        if (state !== "Continue" || failures > 0) return await go();
        failures += 1;
        throw new StateError("StepFunctions.ServiceUnavailable", "try again");
      },
    });
    const ended = await machine.settled();
    expect(failures).toBe(1);
    await expectWhole(machine, witness, epochs);
    expect(witness.openers).toEqual([...ended.keys()]);
  });
});
