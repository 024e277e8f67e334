import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { leaseKey } from "../core/keys.ts";
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
  readonly through?: ObjectStore;
  readonly onMessage?: (message: TrainingMessage) => void;
}

async function train({ script = "", through = store, onMessage = () => {} }: Options) {
  const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"';
  await writeFile(join(source, "train.sh"), `${script}\n${grow}\n`);
  return await trainLocally({
    store: through,
    run,
    job: { name: "count", command: ["sh", "train.sh"], epochs: 2 },
    source: { folder: source },
    acceptChanges: false,
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
