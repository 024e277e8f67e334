import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { filesBelow, pawl, processesNaming, root } from "./pawl.ts";
import {
  changeJob,
  countProject,
  expectPlainWords,
  modelEpochs,
  type Project,
  pulledEpochs,
  shown,
  shownText,
  upTo,
} from "./projects.ts";

// What a person can get wrong with a command, a file, a name or a store is in scripts/bad-input, and is checked by
// npm run check:bad-input. What a trainer can get wrong is here: it shows only when a run has begun.

interface BadTrainer {
  readonly what: string;
  readonly command: string;
  readonly class: string;
  readonly attempts?: number;
  /** What stderr says. */
  readonly says: readonly string[];
}

const python = (script: string) => `[python3, ${join(root, "test", "fixtures", "bad-trainers", script)}]`;
const shell = (script: string) => `[sh, -c, ${JSON.stringify(script)}]`;
const nothingSaved = ["epoch.checkpoint(save)", "PAWL_CHECKPOINT_DIR", "checkpoint: none"];

/** Those that save badly can do it again: the next epoch may begin before what the one before saved is looked at. */
const badTrainers: readonly BadTrainer[] = [
  {
    what: "exits with 1",
    command: shell("echo the data is gone >&2; exit 1"),
    class: "user-exception",
    attempts: 2,
    says: ["the trainer exited with code 1", "│ the data is gone", "gave up: failed 2 times", "correct it"],
  },
  {
    what: "fails and prints nothing",
    command: "[sh, -c, exit 7]",
    class: "user-exception",
    attempts: 2,
    says: ["the trainer exited with code 7; it printed nothing"],
  },
  {
    what: "writes no checkpoint",
    command: shell("rm -f $PAWL_CHECKPOINT_DIR/*"),
    class: "no-checkpoint",
    says: nothingSaved,
  },
  {
    what: "removes the checkpoint's folder",
    command: shell("rm -rf $PAWL_CHECKPOINT_DIR"),
    class: "no-checkpoint",
    says: nothingSaved,
  },
  {
    what: "saves nothing through the helper",
    command: python("saves_nothing.py"),
    class: "no-checkpoint",
    says: ["epoch 3 was trained without saving a checkpoint", ...nothingSaved],
  },
  {
    what: "saves a link that points out of the checkpoint",
    command: shell(
      "ln -sfn /etc/passwd $PAWL_CHECKPOINT_DIR/stolen; ln -sfn ../../../.. $PAWL_CHECKPOINT_DIR/up",
    ),
    class: "no-checkpoint",
    says: ["stolen", "symbolic link"],
  },
  {
    what: "saves what is no file",
    command: shell("[ -p $PAWL_CHECKPOINT_DIR/pipe ] || mkfifo $PAWL_CHECKPOINT_DIR/pipe"),
    class: "no-checkpoint",
    says: ["pipe", "cannot be copied", "PAWL_CHECKPOINT_DIR"],
  },
  {
    what: "speaks another version of the protocol",
    command: python("other_version.py"),
    class: "trainer-protocol",
    says: [
      "tomorrow 9.9 speaks protocol version 99, this agent speaks version 1",
      "docs/trainer-protocol.md",
    ],
  },
  {
    what: "does not speak the protocol",
    command: python("garbage.py"),
    class: "trainer-protocol",
    says: ["docs/trainer-protocol.md"],
  },
  {
    what: "ends before it is told to",
    command: python("ends_early.py"),
    class: "user-exception",
    attempts: 2,
    says: ["ended by itself in epoch 3"],
  },
  {
    what: "is not there",
    command: "[no-such-program]",
    class: "image-or-command-error",
    says: ["'no-such-program' cannot be started", "no such program", "Correct 'command'"],
  },
  {
    what: "cannot be executed",
    command: "[./plain.txt]",
    class: "image-or-command-error",
    says: ["'./plain.txt' cannot be started: it is not executable"],
  },
  {
    what: "is killed",
    command: shell("kill -9 $$"),
    class: "unknown",
    attempts: 2,
    says: ["killed by SIGKILL", "memory"],
  },
  {
    what: "crashes",
    command: shell("kill -SEGV $$"),
    class: "segfault/native-crash",
    attempts: 2,
    says: ["killed by SIGSEGV"],
  },
  {
    what: "writes metrics that are not JSON",
    command: shell("echo x >> $PAWL_CHECKPOINT_DIR/model.txt; echo loss=1 > $PAWL_METRICS_FILE"),
    class: "user-exception",
    attempts: 2,
    says: ["PAWL_METRICS_FILE must hold one JSON object of metrics"],
  },
];

/** A run with two committed epochs, and its job file with four. */
async function halfTrained(): Promise<Project> {
  const folder = await countProject({ epochs: "2", retry: "{failuresWithoutProgress: 2, baseDelay: 0s}" });
  await writeFile(join(folder.path, "plain.txt"), "not a program\n");
  await chmod(join(folder.path, "plain.txt"), 0o644);
  const ran = await pawl(["train"], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  await changeJob(folder, { epochs: "4" });
  return folder;
}

/** The run failed where it stood, and says why; what was committed is as it was. */
async function expectFailedAfterTwo(folder: Project, failed: { class: string; attempts: number }) {
  const run = await shown(folder, "count-1");
  expect(run).toMatchObject({ status: "failed", epoch: 2, attempts: 1 + failed.attempts });
  expect(run.failure).toMatchObject({ class: failed.class, attempt: 1 + failed.attempts });
  expect(run.checkpoints.map(({ name }) => name)).toEqual(["1-1", "2-1"]);
  expect(run.history.attempts.slice(1).map(({ result }) => result)).toEqual(
    Array(failed.attempts).fill(failed.class),
  );
  expect(run.history.decisions.at(-1)).toMatchObject({
    kind: "gave-up",
    reason: expect.stringContaining(failed.class),
  });
  expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(2));
  expect(await processesNaming(folder.path)).toEqual([]);
  expect(await filesBelow(join(folder.path, ".pawl", ".internal", "scratch"))).toEqual([]);
}

describe.concurrent("a trainer that", () => {
  it.each(badTrainers)("$what fails the run and costs nothing that was committed", async (bad) => {
    await using folder = await halfTrained();
    await changeJob(folder, { command: bad.command });
    const ran = await pawl(["train", "--accept-changes"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(100);
    expectPlainWords(ran);
    for (const words of bad.says) expect(ran.stderr).toContain(words);
    expect(ran.stdout).toMatch(/^count-1 failed\n/);
    expect(ran.stdout).toContain(bad.class);
    await expectFailedAfterTwo(folder, { class: bad.class, attempts: bad.attempts ?? 1 });
    const human = await shownText(folder, "count-1");
    expect(human).toContain(bad.class);
    expect(human).not.toMatch(/^\s+at /m);
  });

  it("is corrected goes on from the last commit, after any number of failures", async () => {
    await using folder = await halfTrained();
    for (const exit of [1, 2]) {
      await changeJob(folder, { command: shell(`exit ${exit}`) });
      expect((await pawl(["train", "--accept-changes"], { cwd: folder.path })).code).toBe(100);
    }
    await changeJob(folder, { command: "[sh, count.sh]" });
    const ran = await pawl(["train", "--accept-changes", "--json"], { cwd: folder.path });
    expect(ran.code, ran.stderr).toBe(0);
    const summary = Summary.parse(JSON.parse(ran.stdout));
    expect(summary).toMatchObject({ status: "finished", epoch: 4, attempts: 6 });
    expect(summary.failure).toBeUndefined();
    expect(await modelEpochs(summary.checkpoints.at(-1)?.address ?? "")).toEqual(upTo(4));
  });
});
