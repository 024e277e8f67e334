import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BadInput, Mode, Observed, WrongTrainer } from "./case.ts";
import { judge, judgeFailed } from "./judge.ts";
import { play, type Stage, setStage } from "./stage.ts";
import { badInputs } from "./table.ts";
import { wrongTrainers } from "./trainers.ts";

const input: BadInput = {
  what: "a run that is not there",
  args: ["show", "x-1"],
  code: "RUN_NOT_FOUND",
  says: ["x-1"],
  secrets: ["hunter2"],
};

const message = "there is no run x-1";
const next = "Name a run that is there.";
const good: Observed = {
  exit: 102,
  stdout: "",
  stderr: `error: ${message}\n${next}\n`,
  changes: [],
  processes: [],
};
const answer = (more: Record<string, unknown>) =>
  `${JSON.stringify({ error: { code: "RUN_NOT_FOUND", message, next, ...more } })}\n`;
const goodJson: Observed = { ...good, stdout: answer({}) };

describe("the judge", () => {
  it("finds nothing wrong where all is as it should be", () => {
    expect(judge(input, "words", good)).toEqual([]);
    expect(judge(input, "json", goodJson)).toEqual([]);
  });

  it.each<[string, Mode, Partial<Observed>, string]>([
    ["another exit code", "words", { exit: 1 }, "exit code 1 instead of 102"],
    ["a command that does not end", "words", { exit: null }, "did not end"],
    ["a result beside the error", "words", { stdout: "x\n" }, "stdout is not empty"],
    ["silence", "words", { stderr: "" }, "exactly one message"],
    ["two messages", "words", { stderr: `${good.stderr}${good.stderr}` }, "exactly one message"],
    ["words before the message", "words", { stderr: `hello\n${good.stderr}` }, "exactly one message"],
    ["a message that names nothing", "words", { stderr: "error: no run\nName one.\n" }, '"x-1"'],
    ["no next step", "words", { stderr: `error: ${message}\n` }, "no next step"],
    ["a stack trace", "words", { stderr: `${good.stderr}    at show (cli/show.ts:1:2)\n` }, "stack trace"],
    ["a programmer's words", "words", { stderr: `error: x-1 is undefined\n${next}\n` }, "programmer's words"],
    ["colours", "words", { stderr: `error: \u001b[31mx-1\u001b[39m\n${next}\n` }, "control characters"],
    ["a secret", "words", { stderr: `error: x-1 hunter2\n${next}\n` }, "secret"],
    ["a secret in the JSON", "json", { stdout: answer({ details: "hunter2" }) }, "secret"],
    ["something that it left", "words", { changes: [".pawl is new"] }, "half done: .pawl is new"],
    ["a process that it left", "words", { processes: [7] }, "processes are left: 7"],
    ["no JSON", "json", { stdout: "" }, "not one JSON object"],
    ["two JSON objects", "json", { stdout: answer({}).repeat(2) }, "not one JSON object"],
    ["another code", "json", { stdout: answer({ code: "USAGE" }) }, "code USAGE instead"],
    ["JSON without a next step", "json", { stdout: answer({ next: undefined }) }, "no error with code"],
    ["a next step that is no sentence", "json", { stdout: answer({ next: "name one" }) }, "no sentence"],
    ["another message in the JSON", "json", { stdout: answer({ message: "x-1" }) }, "something else"],
  ])("finds %s", (_, mode, wrong, fault) => {
    const seen = { ...(mode === "json" ? goodJson : good), ...wrong };
    expect(judge(input, mode, seen).join("; ")).toContain(fault);
  });

  it("lets a command that has begun have taken the lease, and nothing else", () => {
    const lease = ".pawl/.internal/versions/leases/x-1.json/0000000003@1-1 is new";
    const seen = { ...good, changes: [lease, ".pawl/journal/x-1/0000000001.json is new"] };
    expect(judge({ ...input, begun: "it has" }, "words", seen)).toEqual([
      "half done: .pawl/journal/x-1/0000000001.json is new",
    ]);
    expect(judge(input, "words", seen)).toHaveLength(2);
  });

  it("lets a command that has begun speak first, where the case says so", () => {
    const seen = { ...good, stderr: `run x-1, job x\n${good.stderr}` };
    expect(judge({ ...input, begun: "it has" }, "words", seen)).toEqual([]);
  });
});

describe("the judge of a trainer that does something wrong", () => {
  const wrong: WrongTrainer = { what: "x", args: ["train"], failed: "user-exception", says: ["goes back"] };
  const failure = { class: "user-exception", why: "twice", next: "Correct it." };
  const told: Observed = {
    exit: 100,
    stdout: `${JSON.stringify({ status: "failed", failure })}\n`,
    stderr: "attempt 1 failed: user-exception: it goes back\n",
    changes: [".pawl is new"],
    processes: [],
  };

  it("finds nothing wrong where the run fails and says why", () => {
    expect(judgeFailed(wrong, "words", told)).toEqual([]);
    expect(judgeFailed(wrong, "json", told)).toEqual([]);
  });

  it.each<[string, Partial<Observed>, string]>([
    ["a run that does not end", { exit: null }, "did not end"],
    ["a run that goes well", { exit: 0 }, "exit code 0 instead of 100"],
    ["another reason", { stderr: told.stderr.replace("goes back", "is tired") }, '"goes back"'],
    [
      "another class",
      { stderr: told.stderr.replace("user-exception", "numeric") },
      "not called user-exception",
    ],
    ["no account of it in the JSON", { stdout: '{"status":"failed"}' }, "the JSON does not tell"],
    ["a process that it left", { processes: [7] }, "processes are left: 7"],
  ])("finds %s", (_, more, fault) => {
    expect(judgeFailed(wrong, "json", { ...told, ...more }).join("; ")).toContain(fault);
  });
});

describe("the table", () => {
  it("has no case twice", () => {
    const names = [...badInputs, ...wrongTrainers].map(({ what }) => what);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(names.length).toBeGreaterThan(100);
  });

  it("has cases of every code that a person can cause", () => {
    const seen = new Set(badInputs.map(({ code }) => code));
    for (const code of ["USAGE", "JOB_INVALID", "STORE_DENIED", "CHECKPOINT_DAMAGED", "RUN_HELD"] as const) {
      expect(seen).toContain(code);
    }
  });
});

describe("the stage", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  it.each([
    "a checkpoint that is not kept",
    "a job file that has changed",
    "a bucket that is not there",
    "a damaged checkpoint",
  ])("plays %s with the real command line", async (what) => {
    const played = badInputs.find((one) => one.what === what);
    if (played === undefined) throw new Error(`there is no case '${what}'`);
    for (const mode of ["words", "json"] as const) {
      expect(judge(played, mode, await play(stage, played, mode))).toEqual([]);
    }
  });

  it("sees what a command leaves, and what it removes", async () => {
    const seen = await play(stage, { ...input, start: "job", args: ["train"] }, "words");
    expect(seen).toMatchObject({ exit: 0, processes: [] });
    expect(seen.changes).toContain(".pawl is new");
    const files = { "pawl.yaml": "name: count\ncommand: [sh, count.sh]\nepochs: 7\n" };
    const more: BadInput = { ...input, start: "trained", files, args: ["train", "--accept-changes"] };
    expect((await play(stage, more, "words")).changes).toContain(".pawl/checkpoints/count-1/4-1 is gone");
  });
});
