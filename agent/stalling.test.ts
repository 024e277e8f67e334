import { describe, expect, it } from "vitest";
import { processesNaming } from "../test/pawl.ts";
import { type AttemptError, asAttemptError } from "./attempt-error.ts";
import { innermost } from "./stack-dump.ts";
import { startAgent } from "./testing/agent-process.ts";
import { type Scene, scenes } from "./testing/scene.ts";
import { stepping } from "./testing/stepping.ts";

const scene = scenes();
const shell = (script: string) => ["sh", "-c", script];

async function failing(of: Scene): Promise<AttemptError> {
  const error = await of.run().then(
    () => expect.unreachable("it went well"),
    (thrown: unknown) => asAttemptError(thrown),
  );
  expect(await processesNaming(of.root)).toEqual([]);
  return error;
}

/** The stepping trainer, that hangs at a step of the second epoch, in `load`. */
function hanging(how: string) {
  const { command, files } = stepping(20, 0.01);
  const text = files["stepping.py"]
    .replace("restored = ask", `def load():\n    ${how}\nrestored = ask`)
    .replace("        taken += 1;", "        if epoch == 2 and taken == 10: load()\n        taken += 1;");
  return { command, files: { "stepping.py": text } };
}

describe("a trainer that gives no sign of life any more", () => {
  it("is asked for its stacks, ended, and told where it was, with what it had trained committed", async () => {
    const it_ = await scene({ ...hanging("time.sleep(600)"), job: { stall: { limit: "4s" } } });
    const error = await failing(it_);
    expect(error.result).toBe("stalled");
    expect(error.message).toMatch(
      /^no sign of life for \d\.\d s \(limit 4\.0 s, stall\.limit in the job\); it was in load \(stepping\.py:\d+\)$/,
    );
    expect(error.more.place).toMatch(/^stalled at stepping\.py:\d+$/);
    expect(error.more.signs?.[1]).toEqual({ where: "log", text: expect.stringContaining("stepping.py") });
    expect(it_.happened.filter((each) => each.startsWith("commit"))).toEqual(["commit 1"]);
    expect(it_.output).toContain("Current thread");
  });

  it("is told of all of its threads, and of those that its shell started", async () => {
    const thread = "import threading; threading.Thread(target=worker, daemon=True).start()";
    const trainer = hanging("time.sleep(600)");
    const it_ = await scene({
      command: shell(`${trainer.command.join(" ")}; exit $?`),
      files: {
        "stepping.py": `import time\ndef worker():\n    time.sleep(600)\n${thread}\n${trainer.files["stepping.py"]}`,
      },
      job: { stall: { limit: "4s" } },
    });
    expect((await failing(it_)).message).toContain("it was in load (stepping.py:");
    expect(it_.output).toContain("in worker");
  });

  it("that does not listen is ended all the same", async () => {
    const ignore = "import signal; signal.signal(signal.SIGABRT, signal.SIG_IGN); time.sleep(600)";
    const it_ = await scene({ ...hanging(ignore), job: { stall: { limit: "4s" } } });
    const { result, message } = await failing(it_);
    expect([result, message]).toEqual(["stalled", expect.not.stringContaining("it was in")]);
  });

  it("is found although it prints, where it steps", async () => {
    const it_ = await scene({
      ...hanging("\n    while True: say('still here'); time.sleep(0.1)"),
      job: { stall: { limit: "4s" } },
    });
    expect((await failing(it_)).message).toMatch(/^no progress, though it printed, for/);
  });

  it("before its first step is given as long as the job says for a start", async () => {
    const it_ = await scene({ command: shell("sleep 600"), job: { stall: { limit: "1h", start: "2s" } } });
    expect((await failing(it_)).message).toMatch(
      /^no sign of life for .* \(limit 2\.0 s, stall\.start in the job\)$/,
    );
  });
});

describe("a trainer is not taken for stalled", () => {
  it("while it waits for the agent", async () => {
    const it_ = await scene({
      ...stepping(5, 0),
      job: { stall: { limit: "4s" } },
      answer: (event) =>
        event.type === "report" && event.report.epoch === 1
          ? new Promise((resolve) => setTimeout(resolve, 6000, undefined))
          : undefined,
    });
    await it_.run();
    expect(it_.happened).toContain("commit 2");
  });

  it("while it prints, where that is all that can be seen of it", async () => {
    const work = 'for i in $(seq 16); do echo $i; sleep 0.4; done; echo x > "$PAWL_CHECKPOINT_DIR/model"';
    const it_ = await scene({
      command: shell(work),
      epochs: 1,
      job: { stall: { limit: "4s", start: "4s" } },
    });
    await it_.run();
    expect(it_.happened).toContain("commit 1");
  });

  it("when the whole machine stood still, as a laptop does whose lid is closed", async () => {
    const it_ = await scene({ ...stepping(300, 0.02), epochs: 1, job: { stall: { limit: "6s" } } });
    const { child, ended } = startAgent(it_);
    await it_.saying("step 1 40");
    const processes = [child.pid, ...(await processesNaming(it_.folder))];
    const signal = (name: NodeJS.Signals) => {
      for (const pid of processes) if (pid !== undefined) process.kill(pid, name);
    };
    signal("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    signal("SIGCONT");
    expect((await ended).code).toBe(0);
    expect(it_.happened).toContain("commit 1");
  });

  it("when nothing is left to train, and it still exports something", async () => {
    const { command, files } = stepping(5, 0);
    const it_ = await scene({
      command,
      files: { "stepping.py": `${files["stepping.py"]}\ntime.sleep(6)\n` },
      epochs: 1,
      job: { stall: { limit: "4s" } },
    });
    await it_.run();
    expect(it_.happened).toContain("commit 1");
  });

  it("where the job wants none to be looked for, and Python keeps what the job says of its fault handler", async () => {
    const it_ = await scene({
      command: shell(
        'sleep 2.5; echo "handler: $PYTHONFAULTHANDLER."; echo x > "$PAWL_CHECKPOINT_DIR/model"',
      ),
      epochs: 1,
      job: { stall: { limit: "none", start: "none" }, env: { PYTHONFAULTHANDLER: "" } },
    });
    await it_.run();
    expect(it_.output).toBe("handler: .\n");
  });
});

describe("a dump of stacks", () => {
  const dump = `before
Fatal Python error: Aborted

Thread 0x00007f0000000001 (most recent call first):
  File "/a/work/worker.py", line 5 in fetch
  File "/usr/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f0000000002 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 706 in readinto
  File "/venv/lib/python3.11/site-packages/torch/utils/data/dataloader.py", line 1 in _next
  File "/a/work/train.py", line 31 in load
  File "/a/work/train.py", line 40 in <module>

Extension modules: numpy (total: 1)
`;
  it("tells the innermost line of the trainer's own code, in the thread that got the signal", () => {
    expect(innermost(dump)).toMatchObject({ place: "train.py:31", function: "load" });
  });

  it("of another thread where that one has none, and nothing where there is none", () => {
    expect(innermost(dump.replaceAll("train.py", "site-packages/x.py"))).toMatchObject({
      place: "worker.py:5",
    });
    expect(innermost('Traceback:\n File "x.py", line 3, in f')).toBeUndefined();
    expect(innermost("")).toBeUndefined();
  });
});
