import { describe, expect, it } from "vitest";
import { Outcome } from "../core/outcome.ts";
import { anOutcome } from "../core/testing/events.ts";
import { trainerFailure } from "./trainer-failure.ts";
import type { TrainerExit } from "./trainer-process.ts";

const exited = (exitCode: number): TrainerExit => ({ exitCode, signal: null });
const killed = (signal: NodeJS.Signals, more: Partial<TrainerExit> = {}): TrainerExit => ({
  exitCode: null,
  signal,
  ...more,
});

const oom = "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB";
const watchdog = "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5)";
const traceback = [
  "Traceback (most recent call last):",
  '  File "/x/work/train.py", line 7, in f',
  "KeyError: 'x'",
];

describe("a trainer that fails", () => {
  it.each([
    ["exits", exited(3), ["epoch 1", "no"], "user-exception", "low"],
    ["exits with a traceback", exited(1), traceback, "user-exception", "medium"],
    ["exits and names the cause", exited(1), [oom, "cleaning up"], "gpu-oom", "medium"],
    ["has no such command", exited(127), ["sh: 1: nothing: not found"], "image-or-command-error", "medium"],
    [
      "exits with 127 and a library that is not there",
      exited(127),
      ["x: error while loading shared libraries: y.so"],
      "dependency-missing",
      "medium",
    ],
    ["crashes", killed("SIGSEGV"), ["epoch 1"], "segfault/native-crash", "high"],
    ["crashes under a shell", exited(139), [], "segfault/native-crash", "high"],
    ["aborts for its network", killed("SIGABRT"), [watchdog], "nccl/network-timeout", "medium"],
    ["is killed by nobody knows whom", killed("SIGKILL"), ["epoch 1"], "unknown", "low"],
    ["is killed under a shell", exited(137), ["Killed"], "unknown", "low"],
    [
      "is killed by the kernel for memory",
      killed("SIGKILL", { oomKilled: true }),
      ["epoch 1"],
      "container-oom",
      "high",
    ],
    ["loses a worker to the kernel", { ...exited(1), oomKilled: true }, traceback, "container-oom", "high"],
    ["has a full GPU too", { ...exited(1), oomKilled: true }, [oom], "gpu-oom", "medium"],
    ["is asked to leave by a stranger", exited(1), ["Caught SIGTERM, exiting"], "user-exception", "low"],
    [
      "missed something that it did without",
      exited(1),
      ["sh: 1: nvidia-smi: not found", ...Array(60).fill("step")],
      "user-exception",
      "low",
    ],
    ["cannot read a checkpoint", exited(1), ["EOFError: Ran out of input"], "user-exception", "medium"],
  ] as const)("because it %s", (_, exit, lines, name, confidence) => {
    const { result, more } = trainerFailure(exit, lines);
    expect({ result, confidence: more.confidence }).toEqual({ result: name, confidence });
  });

  it("says how it ended, its last line, and the cause where that is another", () => {
    expect(trainerFailure(exited(3), ["a", "last words ", ""]).message).toBe(
      "the trainer exited with code 3; its last line: last words",
    );
    expect(trainerFailure(exited(3), []).message).toBe("the trainer exited with code 3; it printed nothing");
    expect(trainerFailure(exited(1), [oom, "bye"]).message).toBe(
      `the trainer exited with code 1; the cause: ${oom}; its last line: bye`,
    );
    expect(trainerFailure(killed("SIGKILL"), []).message).toContain(
      "the kernel does that when memory runs out",
    );
  });

  it("leaves what its outcome can hold, with the place of its error", () => {
    const { result, more, message } = trainerFailure(exited(1), traceback);
    expect(more.place).toBe("KeyError at train.py:7");
    expect(Outcome.parse({ ...anOutcome(1, "unknown"), result, message, ...more })).toMatchObject({
      signs: [
        { where: "log", text: "KeyError: 'x'" },
        { where: "log", text: "at train.py:7" },
        { where: "trainer", text: "exited with code 1" },
      ],
    });
  });
});
