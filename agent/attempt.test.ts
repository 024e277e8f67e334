import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SentEvent } from "../core/events.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { processesNaming } from "../test/pawl.ts";
import { AttemptError, asAttemptError } from "./attempt-error.ts";
import { failing } from "./testing/endings.ts";
import { lives, type Scene, scenes } from "./testing/scene.ts";

const scene = scenes();
const shell = (script: string) => ["sh", "-c", script];
const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"';
const interrupted = () => new AttemptError("interrupted", "asked to leave");

/** A trainer with the helper: an epoch is a line of model.txt. `body` may do more in each epoch. */
const helper = (body = "") => `
import os, sys, time, pawl
folder = pawl.restored()
lines = [] if folder is None else (folder / "model.txt").read_text().splitlines()
for epoch in pawl.epochs():
    print(f"begin {epoch.number}", flush=True)
    lines.append(f"epoch {epoch.number}")
    ${body}
    epoch.report(loss=1 / epoch.number, examples=10)
    epoch.checkpoint(lambda into: (into / "model.txt").write_text("\\n".join(lines)), framework="lines")
`;
const python = { command: ["python3", "train.py"] };
const withHelper = (body?: string) => ({ ...python, files: { "train.py": helper(body) } });

const commits = (of: Scene) => of.happened.filter((each) => each.startsWith("commit"));

describe("a plain command", () => {
  it("is run once for each epoch, on from the restored checkpoint, and each run is committed in its order", async () => {
    const it_ = await scene({
      command: shell(`${grow}; echo '{"loss": 0.5, "examples": 10}' > "$PAWL_METRICS_FILE"`),
      epochs: 3,
      restore: { "model.txt": "epoch 1\n", "data.bin": "constant" },
    });
    await expect(it_.run()).resolves.toEqual({ reason: "the segment ends", removed: [] });
    expect(it_.happened.filter((each) => !each.startsWith("report"))).toEqual([
      "started",
      "commit 2",
      "commit 3",
      "commit 4",
    ]);
    expect(it_.happened.filter((each) => each.startsWith("report"))).toEqual([
      "report 2",
      "report 3",
      "report 4",
    ]);
    expect(await it_.saved("4-2", "model.txt")).toBe("epoch 1\nepoch 2\nepoch 3\nepoch 4\n");
    expect((await it_.manifest("4-2"))?.files[0]?.key).toBe("checkpoints/digits-1/1-1/data.bin");
    expect((await it_.manifest("3-2"))?.reports).toMatchObject([
      { epoch: 3, metrics: { loss: 0.5 }, examples: 10 },
    ]);
    expect(it_.trainers).toHaveLength(3);
  });

  it("asks nothing after the segment's last epoch: its commit brings the report", async () => {
    const metrics = `echo '{"loss": 0.5}' > "$PAWL_METRICS_FILE"`;
    const it_ = await scene({ command: shell(`${grow}; ${metrics}`), job: { segment: 2 }, epochs: 9 });
    await expect(it_.run()).resolves.toEqual({ reason: "the segment ends with epoch 2", removed: [] });
    expect(it_.happened.toSorted()).toEqual(["commit 1", "commit 2", "report 1", "started"]);
    expect((await it_.manifest("2-2"))?.reports).toMatchObject([{ epoch: 2, metrics: { loss: 0.5 } }]);
  });

  it("reports the last epoch where its loss is no number, or where nothing is saved: that is Review's", async () => {
    const nan = await scene({
      command: shell(`${grow}; echo '{"loss": NaN}' > "$PAWL_METRICS_FILE"`),
      job: { segment: 1 },
    });
    await nan.run();
    expect(nan.happened).toContain("report 1");
    const none = await scene({ command: shell("true"), job: { segment: 1, checkpoint: "none" } });
    await none.run();
    expect(none.happened).toContain("report 1");
  });

  it("is told what it needs, and nothing of what is between the agent and its driver", async () => {
    const variables = [
      "PAWL_STORE",
      "PAWL_SEQUENCE",
      "PAWL_ATTEMPT_FOLDER",
      "PAWL_DEBRIS",
      "INHERITED",
      "BOTH",
    ];
    const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
    for (const name of variables) process.env[name] = "from outside";
    try {
      const it_ = await scene({
        command: [
          ...shell(
            'env > "$PAWL_CHECKPOINT_DIR/env"; pwd > "$PAWL_CHECKPOINT_DIR/pwd"; echo "$@" > "$PAWL_CHECKPOINT_DIR/args"',
          ),
          "sh",
          "{batchSize}",
          "--lr={lrScale}/{epoch}of{epochs}",
          "{{epoch}}",
          "{other}",
          "{dataDir}",
        ],
        job: {
          batchSize: 32,
          data: "data",
          env: { BOTH: "from the job", PYTHONUNBUFFERED: "", PYTHONPATH: "/mine" },
        },
        epochs: 1,
        files: { data: "", "train.cfg": "" },
      });
      await it_.run();
      const text = await it_.saved("1-2", "env");
      const env: Record<string, string | undefined> = Object.fromEntries(
        text.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      const own = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("PAWL_")));
      expect(own).toEqual({
        PAWL_RUN: "digits-1",
        PAWL_ATTEMPT: "2",
        PAWL_EPOCH: "1",
        PAWL_EPOCHS: "9",
        PAWL_SEED: "7",
        PAWL_BATCH_SIZE: "32",
        PAWL_MICRO_BATCH_SIZE: "16",
        PAWL_ACCUMULATION: "2",
        PAWL_LR_SCALE: "0.5",
        PAWL_CHECKPOINT_DIR: join(it_.folder, "checkpoint"),
        PAWL_METRICS_FILE: join(it_.folder, "metrics.json"),
        PAWL_DATA_DIR: join(it_.source, "data"),
        PAWL_SOCKET: join(it_.folder, "trainer.sock"),
      });
      expect(env).toMatchObject({ INHERITED: "from outside", BOTH: "from the job", PYTHONUNBUFFERED: "" });
      expect(env.PYTHONPATH).toMatch(/^\/mine:.*\/python$/);
      expect(env).not.toHaveProperty("NODE_CHANNEL_FD");
      expect(await it_.saved("1-2", "args")).toBe(
        `32 --lr=0.5/1of9 {epoch} {other} ${join(it_.source, "data")}\n`,
      );
      expect((await it_.saved("1-2", "pwd")).trim()).toBe(join(it_.folder, "work"));
    } finally {
      for (const name of variables) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });

  it("keeps nothing, where the job says so", async () => {
    const it_ = await scene({ command: ["true"], job: { checkpoint: "none" } });
    await it_.run();
    expect(it_.sent.filter((event) => event.type === "commit")).toMatchObject([
      { epoch: 1, checkpoint: null },
      { epoch: 2, checkpoint: null },
    ]);
  });

  it.each([
    ["no file", "true"],
    ["no folder any more", 'rm -r "$PAWL_CHECKPOINT_DIR"'],
    ["a pipe in place of a file", 'mkfifo "$PAWL_CHECKPOINT_DIR/model"'],
    ["a link in place of a file", 'ln -s /etc/hostname "$PAWL_CHECKPOINT_DIR/model"'],
  ])("that leaves %s has no checkpoint", async (_, script) => {
    const it_ = await scene({ command: shell(script) });
    expect(await failing(it_)).toMatchObject({ result: "no-checkpoint" });
    expect(commits(it_)).toEqual([]);
  });

  it("may leave metrics that are not finite, as Python writes them", async () => {
    const metrics = '{"loss": NaN, "up": Infinity, "down": [-Infinity][0], "NaN": 1}'.replace(
      "[-Infinity][0]",
      "-Infinity",
    );
    const it_ = await scene({
      command: shell(`${grow}; echo '${metrics}' > "$PAWL_METRICS_FILE"`),
      epochs: 1,
    });
    await it_.run();
    expect((await it_.manifest("1-2"))?.reports[0]?.metrics).toEqual({
      loss: "NaN",
      up: "Infinity",
      down: "-Infinity",
      NaN: 1,
    });
  });

  it.each([
    ["text", "echo loss 0.5 >", "JSON"],
    ["an empty file", ":  >", "JSON"],
    ["a list", "echo '[1]' >", "fields"],
    ["a metric that is no number", `echo '{"loss": null}' >`, "loss"],
    ["a number of examples that is none", `echo '{"examples": -1}' >`, "examples"],
    ["a folder", "mkdir", "not a file"],
    ["a megabyte", "head -c 2000000 /dev/zero >", "2000000 bytes"],
  ])("fails with metrics that are %s", async (_, write, word) => {
    const it_ = await scene({ command: shell(`${grow}; ${write} "$PAWL_METRICS_FILE"`) });
    const error = await failing(it_);
    expect(error).toMatchObject({ result: "user-exception" });
    expect(error.message).toContain("PAWL_METRICS_FILE");
    expect(error.message).toContain(word);
    expect(it_.happened).toEqual(["started"]);
  });

  it("does not take the metrics of the epoch before for its own", async () => {
    const write = `[ "$PAWL_EPOCH" = 2 ] || echo '{"loss": 1}' > "$PAWL_METRICS_FILE"`;
    const it_ = await scene({ command: shell(`${grow}; ${write}`) });
    await it_.run();
    expect((await it_.manifest("2-2"))?.reports).toMatchObject([{ epoch: 2, metrics: {} }]);
  });

  it.each([
    ["exit 3", "user-exception", "exited with code 3; its last line: last words"],
    ["kill -SEGV $$", "segfault/native-crash", "SIGSEGV"],
    ["sh -c 'kill -SEGV $$'; exit $?", "segfault/native-crash", "code 139"],
    ["kill -KILL $$", "unknown", "memory"],
  ])("that ends with '%s' is said to have ended by %s", async (script, result, words) => {
    const it_ = await scene({ command: shell(`${grow}; echo last words; ${script}`) });
    const error = await failing(it_);
    expect(error.result).toBe(result);
    expect(error.message).toContain(words);
    expect(it_.happened).toEqual(["started"]);
  });

  it.each([
    ["there is not", ["no-such-program"], "no such program"],
    ["may not be run", ["./train.cfg"], "not executable"],
    ["is given too much", ["true", "x".repeat(3_000_000)], "E2BIG"],
  ])("that %s cannot be started", async (_, command, words) => {
    const error = await failing(await scene({ command, files: { "train.cfg": "" } }));
    expect(error.result).toBe("image-or-command-error");
    expect(error.message).toContain(words);
  });

  it("cannot be started where its folder is gone", async () => {
    const it_ = await scene({ command: ["true"] });
    await rm(it_.source, { recursive: true });
    const error = await failing(it_);
    expect(error.result).toBe("image-or-command-error");
    expect(error.message).toContain(it_.source);
  });

  it("ends although something that it started holds its output open", async () => {
    const it_ = await scene({
      command: shell(
        `${grow}; setsid sh -c 'echo $$ > "$PAWL_CHECKPOINT_DIR/pid"; sleep 600' & while [ ! -s "$PAWL_CHECKPOINT_DIR/pid" ]; do :; done`,
      ),
      epochs: 1,
    });
    await it_.run();
    expect(commits(it_)).toEqual(["commit 1"]);
    process.kill(-Number(await it_.saved("1-2", "pid")), "SIGKILL");
  });

  it("may close its output", async () => {
    const it_ = await scene({ command: shell(`exec >&- 2>&-; ${grow}`), epochs: 1 });
    await it_.run();
    expect(await it_.saved("1-2", "model.txt")).toBe("epoch 1\n");
  });
});

describe("a trainer with the helper", () => {
  it("is started once, goes on from what is restored, and says what wrote its files", async () => {
    const it_ = await scene({ ...withHelper(), epochs: 3, restore: { "model.txt": "epoch 1" } });
    await it_.run();
    expect(it_.trainers).toHaveLength(1);
    expect(commits(it_)).toEqual(["commit 2", "commit 3", "commit 4"]);
    expect(await it_.saved("4-2", "model.txt")).toBe("epoch 1\nepoch 2\nepoch 3\nepoch 4");
    expect(await it_.manifest("4-2")).toMatchObject({
      framework: "lines",
      reports: [{ epoch: 4, metrics: { loss: 0.25 }, examples: 10 }],
    });
  });

  it("is at most one epoch ahead of the commits, which keep their order", async () => {
    const it_ = await scene({ ...withHelper('open("begun", "a").write(f"{epoch.number} ")'), epochs: 5 });
    const ahead: number[] = [];
    const begun = async () =>
      Number((await readFile(join(it_.folder, "work", "begun"), "utf8")).trim().split(" ").at(-1));
    const { store } = it_;
    it_.store = storeVariant(store, {
      create: async (key, ...rest) => {
        const epoch = Number(/(\d+)-2\/manifest\.json$/.exec(key)?.[1] ?? 0);
        if (epoch === 0) return await store.create(key, ...rest);
        it_.happened.push(`manifest ${epoch}`);
        if (epoch < 5) await expect.poll(begun).toBeGreaterThan(epoch);
        // Time in which it would begin another one, if it could.
        await new Promise((resolve) => setTimeout(resolve, 300));
        ahead.push((await begun()) - epoch);
        return await store.create(key, ...rest);
      },
    });
    await it_.run();
    expect(it_.happened.filter((each) => /^(manifest|commit)/.test(each))).toEqual(
      [1, 2, 3, 4, 5].flatMap((epoch) => [`manifest ${epoch}`, `commit ${epoch}`]),
    );
    // The epoch behind the one whose checkpoint is on its way is trained meanwhile; no other is begun.
    expect(ahead).toEqual([1, 1, 1, 1, 0]);
  });

  it("whose epoch is trained is not given the next one while the one before is not committed", async () => {
    const gate = Promise.withResolvers<void>();
    const it_ = await scene({
      ...withHelper(),
      epochs: 4,
      answer: async (event) => {
        if (event.type === "commit" && event.epoch === 1) await gate.promise;
        return undefined;
      },
    });
    const running = it_.run();
    await it_.saying("begin 2");
    while (!it_.happened.includes("report 2")) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(it_.output).not.toContain("begin 3");
    gate.resolve();
    await running;
    expect(it_.output).toContain("begin 4");
  });

  it("fails without a checkpoint where one is due", async () => {
    const it_ = await scene({
      ...python,
      files: { "train.py": "import pawl\nfor epoch in pawl.epochs(): pass\n" },
    });
    expect(await failing(it_)).toMatchObject({ result: "no-checkpoint" });
    expect(commits(it_)).toEqual([]);
  });

  it("fails where it ends in mid-epoch, with what it has handed over committed", async () => {
    const it_ = await scene({ ...withHelper("epoch.number == 3 and sys.exit(0)"), epochs: 5 });
    const error = await failing(it_);
    expect(error).toMatchObject({ result: "user-exception", message: expect.stringContaining("epoch 3") });
    expect(commits(it_)).toEqual(["commit 1", "commit 2"]);
  });

  it("fails where it crashes, with what it has handed over committed", async () => {
    const it_ = await scene({ ...withHelper("epoch.number == 3 and os.abort()"), epochs: 5 });
    expect(await failing(it_)).toMatchObject({
      result: "segfault/native-crash",
      more: { trainer: { signal: "SIGABRT" } },
    });
    expect(commits(it_)).toEqual(["commit 1", "commit 2"]);
  });
});

describe("a conversation against the protocol", () => {
  const prologue = `
import json, os, socket, time
def connect():
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ["PAWL_SOCKET"]); return s
s = connect(); f = s.makefile("rw", encoding="utf-8", newline="\\n")
def tell(**what): f.write(json.dumps(what) + "\\n"); f.flush()
def ask(**what):
    tell(**what); line = f.readline(); print(line, flush=True); return json.loads(line) if line else None
def hello(): return ask(type="hello", protocol=1, helper="test")
def save(n):
    folder = ask(type="checkpoint", epoch=n)["folder"]
    open(folder + "/model", "w").write("x"); return ask(type="saved", epoch=n)
def step(n, epoch=1, canSave=True): return ask(type="step", epoch=epoch, step=n, position=n, canSave=canSave)
`;
  const speaking = (lines: string) => ({
    ...python,
    files: { "train.py": `${prologue}\n${lines}\ntime.sleep(600)\n` },
  });

  it.each([
    ["is no JSON", 'f.write("hello\\n"); f.flush()', "JSON"],
    ["is unknown", 'ask(type="sing")', "type"],
    ["lacks a field", 'hello(); ask(type="next"); ask(type="report", epoch=1)', "metrics"],
    ["comes before hello", 'ask(type="next")', "hello first"],
    ["says hello twice", "hello(); hello()", "already"],
    [
      "speaks another version",
      'ask(type="hello", protocol=2, helper="newer 2.0")',
      "newer 2.0 speaks protocol version 2",
    ],
    [
      "reports before an epoch is given",
      'hello(); ask(type="report", epoch=1, metrics={})',
      "not being trained",
    ],
    [
      "reports another epoch",
      'hello(); ask(type="next"); ask(type="report", epoch=2, metrics={})',
      "epoch 1 is",
    ],
    [
      "reports twice",
      'hello(); ask(type="next"); [ask(type="report", epoch=1, metrics={}) for _ in "ab"]',
      "reported already",
    ],
    [
      "hands over what was not begun",
      'hello(); ask(type="next"); ask(type="saved", epoch=1)',
      "no checkpoint of epoch 1",
    ],
    [
      "begins a second checkpoint of an epoch",
      'hello(); ask(type="next"); save(1); save(1)',
      "has a checkpoint already",
    ],
    [
      "hands one over twice",
      'hello(); ask(type="next"); save(1); ask(type="saved", epoch=1)',
      "no checkpoint of epoch 1",
    ],
    ["steps before an epoch is given", "hello(); step(1)", "not being trained"],
    ["steps in another epoch", 'hello(); ask(type="next"); step(1, epoch=2)', "epoch 1 is"],
    [
      "steps backwards",
      'hello(); ask(type="next"); step(5); step(4)',
      "step 4 of epoch 1 comes after step 5",
    ],
    ["steps twice", 'hello(); ask(type="next"); step(5); step(5)', "step 5 of epoch 1 comes after step 5"],
    ["is a step without a number", 'hello(); ask(type="next"); step(0)', "step"],
    [
      "is a step without a position",
      'hello(); ask(type="next"); ask(type="step", epoch=1, step=1, canSave=False)',
      "position",
    ],
    [
      "is a step with a position that is too long",
      'hello(); ask(type="next"); ask(type="step", epoch=1, step=1, canSave=False, position="x" * 70_000)',
      "65536",
    ],
    [
      "steps after its report",
      'hello(); ask(type="next"); ask(type="report", epoch=1, metrics={}); step(1)',
      "steps come before its report",
    ],
    [
      "hands over a step that was not asked for",
      'hello(); ask(type="next"); step(1); ask(type="saved", epoch=1, step=1)',
      "no checkpoint of epoch 1 at step 1 was begun",
    ],
    [
      "hands over an end in the place of a step",
      'hello(); ask(type="next"); ask(type="checkpoint", epoch=1); ask(type="saved", epoch=1, step=1)',
      "no checkpoint of epoch 1 at step 1 was begun",
    ],
    [
      "steps in the middle of a save",
      'hello(); ask(type="next"); ask(type="checkpoint", epoch=1); step(1)',
      "at its end was begun",
    ],
    ["has no end", 'f.write("x" * 3_000_000); f.flush()', "longer than"],
    [
      "is too long",
      'hello(); ask(type="next"); ask(type="report", epoch=1, metrics={"x" * 1_100_000: 1})',
      "longer than",
    ],
  ])("ends the attempt where a request %s", async (_, lines, words) => {
    const it_ = await scene(speaking(lines));
    const error = await failing(it_);
    expect(error.result).toBe("trainer-protocol");
    expect(error.message).toContain(words);
    expect(commits(it_)).toEqual([]);
  });

  it.each([
    ["steps", "step(8)"],
    ["reports", 'ask(type="report", epoch=1, metrics={})'],
    ["ends", 'ask(type="checkpoint", epoch=1)'],
    ["asks for the next", 'ask(type="next")'],
  ])("ends the attempt where it %s while a step's checkpoint is not handed over", async (_, line) => {
    const lines = `hello(); ask(type="next"); assert step(7)["type"] == "folder"; ${line}`;
    const it_ = await scene({ ...speaking(lines), saving: { epochEnds: "always", everySteps: 7 } });
    const error = await failing(it_);
    expect(error.result).toBe("trainer-protocol");
    expect(error.message).toBe(
      "the checkpoint of epoch 1 at step 7 was begun, and has to be handed over first",
    );
    expect(commits(it_)).toEqual([]);
  });

  it("ends the attempt where a step comes after the epoch's checkpoint, which would not have it", async () => {
    const it_ = await scene(speaking('hello(); ask(type="next"); step(7); save(1); step(8)'));
    const error = await failing(it_);
    expect(error).toMatchObject({
      result: "trainer-protocol",
      message: "epoch 1 has its checkpoint: its steps come before that",
    });
    expect(commits(it_)).toEqual([]);
  });

  it("ends the attempt where a step is before what was restored", async () => {
    const it_ = await scene({
      ...speaking('hello(); ask(type="next"); step(30, epoch=2)'),
      restore: { model: "x" },
      partial: { step: 30, position: 30, seconds: 1 },
    });
    const error = await failing(it_);
    expect(error).toMatchObject({
      result: "trainer-protocol",
      message:
        "step 30 of epoch 2 comes after step 30, which is in the restored checkpoint: steps go forward",
    });
    expect(it_.output).toContain('"restored":{"folder":"');
    expect(it_.output).toContain('"epoch":1,"step":30}');
    expect(it_.output).toContain('"resume":{"step":30,"position":30,"seconds":1}');
  });

  it("does not save a trainer that cannot be saved there, nor one that keeps nothing", async () => {
    const finish =
      'ask(type="report", epoch=1, metrics={}); print(ask(type="next")["type"]); raise SystemExit';
    const saving = { epochEnds: "always", everySteps: 1 } as const;
    const deaf = await scene({
      ...speaking(`hello(); ask(type="next"); step(7, canSave=False); save(1); ${finish}`),
      saving,
      epochs: 1,
    });
    await deaf.run();
    const keepsNothing = await scene({
      ...speaking(`hello(); ask(type="next"); step(7); ${finish}`),
      saving,
      epochs: 1,
      job: { checkpoint: "none" },
    });
    await keepsNothing.run();
    for (const each of [deaf, keepsNothing]) {
      expect(each.output).toContain('"type":"go-on"');
      expect(commits(each)).toEqual(["commit 1"]);
    }
  });

  const finish =
    'ask(type="next"); save(1); ask(type="report", epoch=1, metrics={}); assert ask(type="next")["type"] == "end"; raise SystemExit';

  it.each([
    ["a checkpoint before its report", `assert hello()["type"] == "welcome"; ${finish}`],
    [
      "a connection that came and went before",
      // The agent may see it go only after the next one has come, which it refuses then.
      `connect().close()
answer = {"code": "BUSY"}
while answer.get("code") == "BUSY":
    f.close(); s.close(); time.sleep(0.05); s = connect(); f = s.makefile("rw"); answer = hello()
assert answer["type"] == "welcome"; ${finish}`,
    ],
    [
      "a second process that gets no answer but that",
      `t = connect(); assert "BUSY" in t.makefile().readline(); assert hello()["type"] == "welcome"; ${finish}`,
    ],
    [
      "requests sent ahead of their answers",
      `tell(type="hello", protocol=1, helper="test"); tell(type="next"); tell(type="checkpoint", epoch=1); f.readline(); f.readline(); open(json.loads(f.readline())["folder"] + "/model", "w").write("x"); tell(type="saved", epoch=1); tell(type="report", epoch=1, metrics={}); tell(type="next"); [f.readline() for _ in "123"]; raise SystemExit`,
    ],
  ])("is none with %s", async (_, lines) => {
    const it_ = await scene({ ...speaking(lines), epochs: 1 });
    await it_.run();
    expect(commits(it_)).toEqual(["commit 1"]);
  });

  it("does not hold up the end, where another process keeps a connection that was refused", async () => {
    const hold = `
if os.fork() == 0:
    os.setsid(); t = connect(); t.makefile().readline(); open("held", "w").close(); time.sleep(600)
while not os.path.exists("held"): time.sleep(0.01)
`;
    const it_ = await scene({ ...speaking(`hello()${hold}ask(type="sing")`) });
    const error = await it_.run().catch(asAttemptError);
    expect(error).toMatchObject({ result: "trainer-protocol" });
    for (const pid of await processesNaming(it_.folder)) process.kill(pid, "SIGKILL");
  });
});

describe("an attempt that is told to leave", () => {
  const leave = (type: SentEvent["type"], winner?: string) => (event: SentEvent) =>
    event.type === type
      ? {
          action: "leave" as const,
          sequence: 9,
          reason: "not live",
          ...(winner === undefined ? {} : { winner }),
        }
      : undefined;

  it("at its claim starts nothing; where another Batch job has it, it says which", async () => {
    const late = await scene({ ...withHelper(), answer: leave("started") });
    expect(await failing(late)).toMatchObject({ result: "left", message: "not live" });
    const second = await scene({ ...withHelper(), answer: leave("started", "job-b") });
    expect(await failing(second)).toMatchObject({ result: "duplicate", more: { winner: "job-b" } });
    for (const each of [late, second]) expect([each.trainers, each.happened]).toEqual([[], ["started"]]);
  });

  it.each([
    ["report", withHelper()],
    ["commit", withHelper()],
    ["report", { command: shell(grow) }],
    ["commit", { command: shell(grow) }],
  ] as const)("at a %s ends its trainer and says nothing more", async (type, trainer) => {
    const it_ = await scene({ ...trainer, epochs: 50, answer: leave(type) });
    expect(await failing(it_)).toMatchObject({ result: "left" });
    expect(commits(it_).length).toBeLessThanOrEqual(1);
    expect(it_.trainers.length).toBeLessThanOrEqual(3);
    const said = [...it_.happened];
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(it_.happened).toEqual(said);
  });

  it.each(["started", "report", "commit"] as const)(
    "is not deceived by an answer to something else than its %s",
    async (type) => {
      const it_ = await scene({
        command: shell(grow),
        answer: (event) => (event.type === type ? { action: "noted", sequence: 1 } : undefined),
      });
      expect(await failing(it_)).toMatchObject({
        result: "unknown",
        message: expect.stringContaining("'noted'"),
      });
    },
  );
});

describe("an attempt that is interrupted", () => {
  it("before its claim is answered starts nothing", async () => {
    const it_ = await scene({ ...withHelper(), answer: () => new Promise(() => {}) });
    const running = failing(it_);
    it_.departure.ask(interrupted(), 30);
    expect(await running).toMatchObject({ result: "interrupted" });
    expect(it_.trainers).toEqual([]);
  });

  it("while it restores starts nothing", async () => {
    const it_ = await scene({ ...withHelper(), restore: { "model.txt": "epoch 1" } });
    const { store } = it_;
    it_.store = storeVariant(store, {
      open: async (key) => {
        it_.departure.ask(interrupted(), 30);
        return await store.open(key);
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "interrupted" });
    expect(it_.trainers).toEqual([]);
  });

  it("while its command is being started ends that, too", async () => {
    const it_ = await scene({ command: shell(`trap '' TERM; ${grow}; sleep 600`) });
    const { trainers } = it_;
    trainers.push = (pid) => {
      it_.departure.ask(interrupted(), 30);
      return Array.prototype.push.call(trainers, pid);
    };
    expect(await failing(it_)).toMatchObject({ result: "interrupted" });
    expect(trainers).toHaveLength(1);
    expect(await lives(trainers[0] ?? 0)).toBe(false);
  });

  it("between two runs of its command commits the one that has ended, and starts no other", async () => {
    const it_ = await scene({
      command: shell(grow),
      epochs: 50,
      answer: (event) => {
        if (event.type === "report" && event.report.epoch === 2) it_.departure.ask(interrupted(), 30);
        return undefined;
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "interrupted" });
    expect(it_.trainers).toHaveLength(2);
    expect(commits(it_)).toEqual(["commit 1", "commit 2"]);
    expect(await it_.saved("2-2", "model.txt")).toBe("epoch 1\nepoch 2\n");
  });

  it.each([
    ["exits with 0", "trap 'exit 0' TERM"],
    ["dies of it", ":"],
    ["does not listen", "trap '' TERM"],
  ])(
    "in the middle of an epoch of a command that %s does not commit half an epoch",
    async (_, trap) => {
      const half = `echo half >> "$PAWL_CHECKPOINT_DIR/model.txt"; echo half of $PAWL_EPOCH`;
      const wait = "while :; do sleep 0.05; done";
      const it_ = await scene({
        command: shell(`${trap}; [ "$PAWL_EPOCH" = 2 ] && { ${half}; ${wait}; }; ${grow}`),
        epochs: 3,
      });
      const running = failing(it_);
      await it_.saying("half of 2");
      it_.departure.ask(interrupted(), 30);
      it_.departure.ask(interrupted(), 30);
      expect(await running).toMatchObject({ result: "interrupted" });
      expect(it_.happened.filter((each) => each !== "started")).toEqual(["report 1", "commit 1"]);
      expect(await it_.saved("1-2", "model.txt")).toBe("epoch 1\n");
    },
    20_000,
  );

  it("commits what a trainer with the helper hands over before it leaves", async () => {
    const handler = `
import signal
def leave(*_):
    save(); sys.exit(0)
signal.signal(signal.SIGTERM, leave)
`;
    const train = `
import os, sys, time, pawl
${handler}
for epoch in pawl.epochs():
    def save():
        epoch.report(loss=1)
        epoch.checkpoint(lambda into: (into / "model.txt").write_text(str(epoch.number)))
    if epoch.number == 3:
        print("in the middle", flush=True)
        while True: time.sleep(0.05)
    save()
`;
    const it_ = await scene({ ...python, files: { "train.py": train }, epochs: 5 });
    const running = failing(it_);
    await it_.saying("in the middle");
    it_.departure.ask(interrupted(), 30);
    expect(await running).toMatchObject({ result: "interrupted" });
    expect(commits(it_)).toEqual(["commit 1", "commit 2", "commit 3"]);
  });
});

describe("a store that fails", () => {
  it("while the last checkpoint is uploaded fails the attempt, although training is finished", async () => {
    const it_ = await scene({ command: shell(grow), epochs: 2 });
    const { store } = it_;
    it_.store = storeVariant(store, {
      create: async (key, ...rest) => {
        if (key.endsWith("2-2/manifest.json")) throw Object.assign(new Error("disk"), { code: "ENOSPC" });
        return await store.create(key, ...rest);
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "disk-full" });
    expect(commits(it_)).toEqual(["commit 1"]);
  });

  it("loses a log, and trains on", async () => {
    const it_ = await scene({ command: shell(`echo said; ${grow}`), epochs: 2 });
    const { store } = it_;
    it_.store = storeVariant(store, {
      create: async (key, ...rest) => {
        if (key.startsWith("attempts/")) throw new Error("no log today");
        return await store.create(key, ...rest);
      },
    });
    await it_.run();
    expect(commits(it_)).toEqual(["commit 1", "commit 2"]);
  });

  it("with a decision fails the attempt, and the trainer is gone", async () => {
    const it_ = await scene({
      ...withHelper("epoch.number == 2 and time.sleep(600)"),
      answer: (event) => {
        if (event.type === "commit") throw new AttemptError("store-failed", "no decision today");
        return undefined;
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "store-failed" });
  });
});

describe("a damaged checkpoint", () => {
  it.each(["model.txt", "manifest.json"])(
    "in %s ends the attempt before anything is started",
    async (path) => {
      const it_ = await scene({ ...withHelper(), restore: { "model.txt": "epoch 1" } });
      const file = join(it_.root, "store", "checkpoints", "digits-1", "1-1", path);
      const bytes = await readFile(file);
      bytes[3] = (bytes[3] ?? 0) ^ 1;
      await rm(file);
      await writeFile(file, bytes);
      const error = await failing(it_);
      expect(error).toMatchObject({ result: "checkpoint-corrupt", more: { damaged: "1-1" } });
      expect(error.message).toContain(path);
      expect(it_.trainers).toEqual([]);
    },
  );

  it("from the middle of an epoch is named with its step", async () => {
    const partial = { step: 30, position: 30, seconds: 1 };
    const it_ = await scene({ ...withHelper(), restore: { "model.txt": "epoch 1" }, partial });
    await it_.store.remove("checkpoints/digits-1/2-1-30/model.txt");
    const error = await failing(it_);
    expect(error).toMatchObject({ result: "checkpoint-corrupt", more: { damaged: "2-1-30" } });
    expect(it_.trainers).toEqual([]);
  });
});
