import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type DecisionLimits, defaultLimits } from "../core/decision.ts";
import type { TrainingJobInput } from "../core/job.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { leaseKey } from "../core/keys.ts";
import { leaseLiveness } from "../lambdas/lease-liveness.ts";
import { stopRun } from "../lambdas/stop.ts";
import { openFolderStore } from "../store/folder.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { processesNaming } from "../test/pawl.ts";
import { type TrainingMessage, trainLocally } from "./training.ts";

const freshFolder = temporaryFolders({ fast: true });
const run = "count-1";

let root: string;
let source: string;
let store: ObjectStore;
let interrupt: AbortController;

beforeEach(async () => {
  root = await freshFolder();
  source = join(root, "source");
  await mkdir(source);
  store = await openFolderStore(join(root, "store"));
  interrupt = new AbortController();
});

interface Options {
  readonly script?: string;
  readonly more?: Partial<TrainingJobInput>;
  readonly limits?: DecisionLimits;
  readonly through?: ObjectStore;
  readonly onMessage?: (message: TrainingMessage) => void;
}

async function train({
  script = "",
  more = {},
  limits = defaultLimits,
  through = store,
  onMessage = () => {},
}: Options) {
  const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"';
  await writeFile(join(source, "train.sh"), `${script}\n${grow}\n`);
  return await trainLocally({
    store: through,
    run,
    job: { name: "count", command: ["sh", "train.sh"], epochs: 2, ...more },
    source: { folder: source },
    acceptChanges: false,
    limits,
    interrupt: interrupt.signal,
    onMessage,
  });
}

const scratch = () => join(root, "store", ".internal", "scratch");
const namesIn = (folder: string) => readdir(folder).catch(() => []);
const says = (text: string, then: () => void) => (message: TrainingMessage) => {
  if (message.code === "trainer.output" && String(message.chunk).includes(text)) then();
};

describe("training that is interrupted", () => {
  it("waits for the decision that is on its way, and tells what that made of the run", async () => {
    const deciding = storeVariant(store, {
      create: async (key, body, ...rest) => {
        if (String(body).includes('"kind":"finished"')) {
          interrupt.abort();
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        return await store.create(key, body, ...rest);
      },
    });
    const { result, state } = await train({ through: deciding });
    expect(result).toBe("finished");
    expect(state?.status).toBe("finished");
    expect((await openJournal(store).newest(run))?.sequence).toBe(state?.sequence);
  });

  it("ends its attempt, keeps what that has trained, and can go on", async () => {
    const script = `[ $PAWL_EPOCH = 2 ] && [ ! -e "${root}/go" ] && { echo begun; sleep 600; }`;
    const first = await train({ script, onMessage: says("begun", () => interrupt.abort()) });
    expect(first).toMatchObject({ result: "interrupted", state: { progress: { epoch: 1 } } });
    expect(await processesNaming(root)).toEqual([]);
    expect(await namesIn(scratch())).toEqual([]);
    await writeFile(join(root, "go"), "");
    interrupt = new AbortController();
    const second = await train({ script });
    expect(second).toMatchObject({ result: "finished", state: { generation: 2, progress: { epoch: 2 } } });
  });
});

/** Asks as another process does: with a journal of its own. */
const stop = (id = "x") =>
  stopRun({
    journal: openJournal(store),
    liveness: leaseLiveness(store),
    now: () => new Date(),
    limits: defaultLimits,
  })({ run, id, by: "alice@laptop" });

const entries = async () => {
  const found: JournalEntry[] = [];
  for await (const entry of openJournal(store).entries(run)) found.push(entry);
  return found;
};

describe("training that another process asks to stop", () => {
  const untilGo = (then: string) => `[ $PAWL_EPOCH = 2 ] && [ ! -e "${root}/go" ] && { ${then}; }`;

  it("ends its attempt, keeps what that has trained, leaves nothing, and can go on", async () => {
    const script = untilGo("echo begun; sleep 600");
    const messages: TrainingMessage[] = [];
    const asks = says("begun", () => void stop());
    const first = await train({
      script,
      onMessage: (message) => {
        messages.push(message);
        asks(message);
      },
    });
    expect(first).toMatchObject({
      result: "stopped",
      state: { status: "stopped", stop: { by: "alice@laptop" }, progress: { epoch: 1 }, live: [] },
    });
    expect(messages.filter(({ code }) => code === "stop.asked")).toMatchObject([{ stop: { id: "x" } }]);
    const kinds = (await entries()).map(({ decision }) => decision.kind);
    expect(kinds.filter((kind) => kind === "stop-asked")).toHaveLength(1);
    expect(kinds.at(-1)).toBe("stopped");
    expect(await processesNaming(root)).toEqual([]);
    expect(await namesIn(scratch())).toEqual([]);
    expect(await stop()).not.toHaveProperty("who");
    await writeFile(join(root, "go"), "");
    const second = await train({ script });
    expect(second).toMatchObject({ result: "finished", state: { generation: 2, progress: { epoch: 2 } } });
  });

  it("ends where it waits to try again, too", async () => {
    const more = { retry: { baseDelay: "1d", maxDelay: "1d" } };
    const onMessage = (message: TrainingMessage) => {
      if (message.code === "state.entered" && message.state === "Wait") void stop();
    };
    const first = await train({ script: untilGo("exit 3"), more, onMessage });
    expect(first).toMatchObject({ result: "stopped", state: { status: "stopped", progress: { epoch: 1 } } });
    expect((await entries()).at(-1)?.decision.reason).toContain("no attempt under way");
    await writeFile(join(root, "go"), "");
    expect(await train({ script: untilGo("exit 3"), more })).toMatchObject({ result: "finished" });
  });

  it("starts no attempt where it is asked before the first has begun", async () => {
    const onMessage = (message: TrainingMessage) => {
      if (message.code === "journal.entry" && message.entry.decision.kind === "opened") void stop();
    };
    const { result, state } = await train({ script: "sleep 600", onMessage });
    expect({ result, attempts: state?.nextAttempt }).toEqual({ result: "stopped", attempts: 2 });
    expect(state?.failures.recent.map((each) => each.class)).toEqual(["interrupted"]);
  });

  it("hands over to nobody where it is asked between two executions", async () => {
    const stopping = storeVariant(store, {
      create: async (key, body, ...rest) => {
        const written = await store.create(key, body, ...rest);
        if (String(body).includes('"kind":"handed-over"')) await stop();
        return written;
      },
    });
    const limits = { turnsPerExecution: 1 };
    const first = await train({ more: { segment: 1 }, limits, through: stopping });
    expect(first).toMatchObject({ result: "stopped", state: { generation: 1, progress: { epoch: 1 } } });
    expect((await entries()).map(({ decision }) => decision.kind).slice(-2)).toEqual([
      "handed-over",
      "stopped",
    ]);
    expect(await train({ more: { segment: 1 } })).toMatchObject({ result: "finished" });
  });

  it("is stopped, not interrupted, where Ctrl-C comes while it stops; what is left is settled by the next start", async () => {
    const script = untilGo("echo begun; sleep 600");
    const onMessage = (message: TrainingMessage) => {
      if (message.code === "stop.asked") interrupt.abort();
      says("begun", () => void stop())(message);
    };
    const first = await train({ script, onMessage });
    expect(first).toMatchObject({ result: "stopped", state: { status: "stopped", live: [{ number: 1 }] } });
    await writeFile(join(root, "go"), "");
    interrupt = new AbortController();
    const second = await train({ script });
    expect(second).toMatchObject({ result: "finished", state: { progress: { epoch: 2 } } });
  });

  it("goes on where a store fails that is looked at for such an intent", async () => {
    let failures = -1;
    const failing = storeVariant(store, {
      has: async (key) => {
        if (failures < 0 || failures > 1) return await store.has(key);
        failures += 1;
        if (failures === 2) void stop();
        throw new Error("the store failed");
      },
    });
    const onMessage = says("begun", () => {
      failures = 0;
    });
    const { result } = await train({ script: "echo begun; sleep 600", through: failing, onMessage });
    expect({ result, failures }).toEqual({ result: "stopped", failures: 2 });
  });
});

describe("training that fails in the driver's own process", () => {
  it("leaves no process and no folder behind, and can be started again", async () => {
    const broken = train({
      onMessage: ({ code }) => {
        if (code === "state.entered") throw new Error("nobody listens");
      },
    });
    await expect(broken).rejects.toThrow("nobody listens");
    expect(await processesNaming(root)).toEqual([]);
    expect(await namesIn(scratch())).toEqual([]);
    expect(await train({})).toMatchObject({ result: "finished" });
  });
});

describe("training whose lease another driver has taken", () => {
  it("ends at once, says who has the run, and leaves what that one has made", async () => {
    const theirs = join(scratch(), run, "9-theirs");
    const training = train({
      script: "echo begun; sleep 600",
      onMessage: says("begun", () => void takeAway(theirs)),
    });
    await expect(training).rejects.toMatchObject({
      code: "RUN_HELD",
      message: expect.stringContaining("process 7 on elsewhere"),
    });
    expect(await processesNaming(root)).toEqual([]);
    expect(await namesIn(join(scratch(), run))).toEqual(["9-theirs"]);
  });
});

async function takeAway(theirs: string): Promise<void> {
  await mkdir(theirs);
  const lease = await store.read(leaseKey(run));
  const body = {
    ...JSON.parse(Buffer.from(lease?.bytes ?? []).toString()),
    holder: "another",
    process: { host: "elsewhere", bootId: "another-boot", pid: 7, startTime: "7" },
  };
  await store.replace(leaseKey(run), lease?.version ?? "", JSON.stringify(body));
}
