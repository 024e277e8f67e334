import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { ProcessIdentity } from "../store/process-identity.ts";
import { processesNaming } from "../test/pawl.ts";
import { outcomeOf, startAgent } from "./testing/agent-process.ts";
import { MetadataServer } from "./testing/metadata-server.ts";
import { lives, type Scene, scenes } from "./testing/scene.ts";
import { stepping } from "./testing/stepping.ts";

const scene = scenes();
const shell = (script: string) => ["sh", "-c", script];
const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"';
const mebibyte = 1024 * 1024;

const gone = (of: Scene): Promise<void> =>
  vi.waitFor(async () => expect(await processesNaming(of.folder)).toEqual([]), { timeout: 20_000 });

describe("the agent", () => {
  it("leaves an account of an attempt that went well, tells of it, and exits with 0", async () => {
    const it_ = await scene({ command: shell(`${grow}; echo trained`) });
    const { code } = await startAgent(it_).ended;
    expect(code).toBe(0);
    expect(it_.happened.at(-1)).toBe("ended done");
    const outcome = {
      version: 1,
      run: "digits-1",
      attempt: 2,
      batchJobId: "job-a",
      result: "done",
      message: "the segment ends",
      logTail: [],
      startedAt: expect.any(String),
      endedAt: expect.any(String),
    };
    expect(it_.sent.at(-1)).toMatchObject({ type: "ended", outcome, removed: [] });
    expect(await it_.log()).toBe("trained\ntrained\n");
    expect(it_.output).toBe("trained\ntrained\n");
  });

  it("leaves its account in the store where nobody could be told that all went well", async () => {
    const it_ = await scene({
      command: shell(grow),
      answer: ({ type }) => {
        if (type === "ended") throw new Error("nobody is there");
        return undefined;
      },
    });
    expect((await startAgent(it_).ended).code).toBe(0);
    expect(await outcomeOf(it_)).toMatchObject({ result: "done", attempt: 2 });
  });

  it("waits for somebody who is slow to be told that all went well", async () => {
    const it_ = await scene({
      command: shell(grow),
      answer: async ({ type }) => void (type === "ended" && (await setTimeout(5000))),
    });
    expect((await startAgent(it_).ended).code).toBe(0);
    expect(it_.happened.at(-1)).toBe("ended done");
    await expect(outcomeOf(it_)).rejects.toThrow();
  });

  it("says of a failed one what happened, with the last lines", async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i + 1} è`).join("\n");
    const it_ = await scene({ command: ["sh", "-c", `printf '%s' '${lines}'; exit 3`] });
    expect((await startAgent(it_).ended).code).toBe(10);
    const outcome = await outcomeOf(it_);
    expect(outcome).toMatchObject({
      result: "user-exception",
      message: "the trainer exited with code 3; its last line: line 30 è",
      trainer: { exitCode: 3, signal: null },
    });
    expect(outcome.logTail).toEqual(lines.split("\n").slice(-20));
    expect(it_.happened.at(-1)).toBe("ended user-exception");
  });

  it("that finds its assignment taken exits with 18, and says by whom", async () => {
    const it_ = await scene({
      command: ["true"],
      answer: ({ type }) =>
        type === "started" ? { action: "leave", sequence: 3, reason: "taken", winner: "job-b" } : undefined,
    });
    expect((await startAgent(it_).ended).code).toBe(18);
    expect(await outcomeOf(it_)).toMatchObject({ result: "duplicate", winner: "job-b" });
  });

  it("that finds its checkpoint damaged names it", async () => {
    const it_ = await scene({ command: ["true"], restore: { "model.txt": "epoch 1" } });
    await it_.store.remove("checkpoints/digits-1/1-1/model.txt");
    expect((await startAgent(it_).ended).code).toBe(13);
    expect(await outcomeOf(it_)).toMatchObject({ result: "checkpoint-corrupt", damaged: "1-1" });
  });

  it.each([
    ["its store cannot be opened", { PAWL_STORE: "s3://bucket" }, 16, "s3://bucket"],
    ["a variable is wrong", { PAWL_ATTEMPT: "first" }, 1, "PAWL_ATTEMPT"],
    ["its folder cannot be made", { PAWL_ATTEMPT_FOLDER: "/etc/hostname/attempt" }, 1, "/etc/hostname"],
  ])("says in words why it cannot begin where %s", async (_, variables, code, words) => {
    const ended = await startAgent(await scene({ command: ["true"] }), variables).ended;
    expect(ended.code).toBe(code);
    expect(ended.stderr).toContain("the attempt could not begin");
    expect(ended.stderr).toContain(words);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });

  it("notes its trainer's process, and its own", async () => {
    const it_ = await scene({ command: shell('echo "i am $$"; sleep 600') });
    const { child } = startAgent(it_);
    await it_.saying("i am");
    const record = async (name: string) =>
      ProcessIdentity.parse(JSON.parse(await readFile(join(it_.folder, name), "utf8"))).pid;
    expect(await record("agent.json")).toBe(child.pid);
    expect(`i am ${await record("trainer.json")}`).toBe(it_.output.trim());
  });
});

describe("an agent that is asked to leave", () => {
  it.each([1, 2])(
    "by %i SIGTERM commits what is handed over and exits with 143, as interrupted",
    async (signals) => {
      const trainer = `
import time, pawl
for epoch in pawl.epochs():
    if epoch.number == 3:
        print("in the middle", flush=True)
        time.sleep(600)
    epoch.report(loss=1)
    epoch.checkpoint(lambda into: (into / "model.txt").write_text(str(epoch.number)))
`;
      const it_ = await scene({
        command: ["python3", "train.py"],
        files: { "train.py": trainer },
        epochs: 5,
      });
      const { child, ended } = startAgent(it_);
      await it_.saying("in the middle");
      for (let i = 0; i < signals; i += 1) child.kill("SIGTERM");
      expect(await ended).toMatchObject({ code: 143, stderr: "" });
      expect(it_.happened.filter((each) => !each.startsWith("report"))).toEqual([
        "started",
        "commit 1",
        "commit 2",
        "ended interrupted",
      ]);
      expect(await outcomeOf(it_)).toMatchObject({
        result: "interrupted",
        message: expect.stringContaining("SIGTERM"),
      });
      await gone(it_);
    },
  );

  it("while it tells that all went well leaves its account in the store, and exits with 0", async () => {
    const telling = Promise.withResolvers<void>();
    const it_ = await scene({
      command: shell(grow),
      answer: ({ type }) => {
        if (type !== "ended") return undefined;
        telling.resolve();
        return new Promise(() => {});
      },
    });
    const { child, ended } = startAgent(it_);
    await telling.promise;
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    expect(await outcomeOf(it_)).toMatchObject({ result: "done" });
  });

  it("before its claim is answered exits with 143, with an account", async () => {
    const claimed = Promise.withResolvers<void>();
    const it_ = await scene({
      command: ["true"],
      answer: () => {
        claimed.resolve();
        return new Promise(() => {});
      },
    });
    const { child, ended } = startAgent(it_);
    await claimed.promise;
    child.kill("SIGTERM");
    expect((await ended).code).toBe(143);
    expect(await outcomeOf(it_)).toMatchObject({ result: "interrupted" });
  });
});

describe("an agent whose trainer says its steps", () => {
  const trainer = stepping(3000, 0.01);

  it("saves in the middle of an epoch on SIGTERM, and says so in its account", async () => {
    const it_ = await scene({ ...trainer });
    const { child, ended } = startAgent(it_);
    await it_.saying("step 1 40");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143, stderr: "" });
    expect(it_.happened).toMatchObject([
      "started",
      expect.stringMatching(/^commit 1 step \d+$/),
      "ended interrupted",
    ]);
    expect(await outcomeOf(it_)).toMatchObject({
      result: "interrupted",
      message: expect.stringMatching(/\(SIGTERM\): saved epoch 1, step \d+, and left$/),
      signs: [{ where: "signal", text: "SIGTERM" }],
    });
    await gone(it_);
  });

  it("leaves at once on a second SIGTERM", async () => {
    const it_ = await scene(stepping(3000, 0.01, 600));
    const { child, ended } = startAgent(it_);
    await it_.saying("step 1 40");
    child.kill("SIGTERM");
    await it_.saying("saving 1");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143 });
    expect(it_.happened).toEqual(["started", "ended interrupted"]);
    await gone(it_);
  });

  it("saves on a spot notice, and names the instance", async () => {
    const metadata = await MetadataServer.start();
    try {
      const it_ = await scene({ ...trainer });
      const { ended } = startAgent(it_, { PAWL_METADATA: metadata.base });
      await it_.saying("step 1 40");
      metadata.notice(60);
      await ended;
      expect(it_.happened).toMatchObject([
        "started",
        expect.stringMatching(/^commit 1 step \d+$/),
        "ended spot-reclaim",
      ]);
      expect(await outcomeOf(it_)).toMatchObject({
        result: "spot-reclaim",
        message: expect.stringMatching(
          /^spot notice for i-0123456789abcdef0: saved epoch 1, step \d+, and left$/,
        ),
        instance: "i-0123456789abcdef0",
        signs: [{ where: "instance-metadata" }],
      });
      await gone(it_);
    } finally {
      await metadata.stop();
    }
  });

  it("ends a stalled one, whose stacks are in its log", async () => {
    const hangs = trainer.files["stepping.py"].replace(
      "taken += 1;",
      "taken += 1; taken == 30 and time.sleep(600);",
    );
    const it_ = await scene({
      command: trainer.command,
      files: { "stepping.py": hangs },
      job: { stall: { limit: "2s" } },
    });
    expect((await startAgent(it_).ended).code).toBe(23);
    const outcome = await outcomeOf(it_);
    expect(outcome).toMatchObject({
      result: "stalled",
      message: expect.stringContaining("it was in <module> (stepping.py:"),
      place: expect.stringContaining("stepping.py:"),
    });
    expect(outcome.logTail.join("\n")).toContain("most recent call first");
    expect(await it_.log()).toContain("Current thread");
    await gone(it_);
  });
});

describe("when the driver is gone, the agent and all of its trainer are gone", () => {
  const sleeper = "sleep 600 > /dev/null 2>&1";
  it.each([
    ["a trainer that waits", "sleep 600"],
    ["one that does not listen to SIGTERM", "trap '' TERM HUP INT; while :; do sleep 0.1; done"],
    ["one with children in the background", `${sleeper} & ${sleeper} & (${sleeper} &); sleep 600`],
    [
      "one whose children have left for sessions of their own",
      `setsid ${sleeper} & setsid setsid ${sleeper} & sleep 600`,
    ],
    ["one that prints without end", "yes"],
  ])("with %s", async (_, script) => {
    const it_ = await scene({ command: shell(`echo begun; ${script}`) });
    const { child, ended } = startAgent(it_);
    await it_.saying("begun");
    child.disconnect();
    expect((await ended).code).toBe(143);
    await gone(it_);
  });

  it("also before anything is started", async () => {
    const it_ = await scene({ command: ["sleep", "600"], answer: () => new Promise(() => {}) });
    const { child, ended } = startAgent(it_);
    child.disconnect();
    expect((await ended).code).toBe(143);
    await gone(it_);
  });
});

describe("at its end the agent leaves nothing behind", () => {
  it("of a trainer that started what outlives it", async () => {
    const it_ = await scene({
      command: shell(
        `${grow}; setsid sh -c 'echo $$ > daemon; exec sleep 600' > /dev/null 2>&1 & while [ ! -s daemon ]; do :; done; echo begun`,
      ),
      epochs: 1,
    });
    const { ended } = startAgent(it_);
    await it_.saying("begun");
    const daemon = Number(await readFile(join(it_.folder, "work", "daemon"), "utf8"));
    expect(await lives(daemon)).toBe(true);
    expect((await ended).code).toBe(0);
    await gone(it_);
    expect(await lives(daemon)).toBe(false);
  });
});

describe("a trainer that prints without measure", () => {
  it("is read no faster than its log is kept, in bounded memory", async () => {
    const bytes = 100_000_000;
    const it_ = await scene({
      command: shell(`${grow}; yes 'a line of the log' | head -c ${bytes}`),
      epochs: 1,
    });
    const agent = startAgent(it_);
    let printed = 0;
    // It is not to be kept here either.
    it_.said = (text) => {
      printed += text.length;
    };
    expect((await agent.ended).code).toBe(0);
    expect(printed).toBe(bytes);
    let [kept, parts] = [0, 0];
    for await (const { sizeBytes } of it_.store.list("attempts/digits-1/2/job-a/log/")) {
      kept += sizeBytes;
      parts += 1;
    }
    expect(kept).toBe(bytes);
    expect(parts).toBeGreaterThan(100);
    expect(agent.peakBytes()).toBeGreaterThan(0);
    expect(agent.peakBytes()).toBeLessThan(230 * mebibyte);
  });

  it("or without lines costs no more, and its tail is cut", async () => {
    const it_ = await scene({ command: shell(`head -c 20000000 /dev/zero | tr '\\0' x; exit 3`) });
    it_.said = () => {};
    expect((await startAgent(it_).ended).code).toBe(10);
    const { logTail, message } = await outcomeOf(it_);
    expect(logTail).toEqual(["x".repeat(500)]);
    expect(message.length).toBeLessThanOrEqual(2000);
  });
});
