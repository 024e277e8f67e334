import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { socketPath } from "../agent/workspace.ts";
import { openFolderStore } from "../store/folder.ts";
import { identify } from "../store/process-identity.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { processesNaming } from "../test/pawl.ts";
import { scratchFolder, sweepScratch } from "./scratch.ts";

const freshFolder = temporaryFolders({ fast: true });
let scratch: string;
let attempt: string;

beforeEach(async () => {
  scratch = join(await freshFolder(), "digits-1");
  attempt = join(scratch, "1-job");
  await mkdir(attempt, { recursive: true });
});

/** A process in a group of its own, with these variables only. */
async function start(env: NodeJS.ProcessEnv, ...command: string[]): Promise<ChildProcess> {
  const [program = "sleep", ...args] = command.length > 0 ? command : ["sleep", "600"];
  const child = spawn(program, args, {
    detached: true,
    stdio: "ignore",
    env: { PATH: process.env.PATH, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  return child;
}

const record = async (name: string, pid: number | undefined, more = {}) =>
  await writeFile(join(attempt, name), JSON.stringify({ ...identify(pid ?? 0), ...more }));

const gone = async (child: ChildProcess) => {
  if (child.signalCode === null && child.exitCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
};

describe("a sweep of what earlier attempts left", () => {
  it("ends what is on record, also what is stopped, with its children, and removes the folders", async () => {
    const agent = await start({});
    const trainer = await start({}, "sh", "-c", `sleep 600 & touch '${join(attempt, "begun")}'; sleep 600`);
    await record("agent.json", agent.pid);
    await record("trainer.json", trainer.pid);
    agent.kill("SIGSTOP");
    while (!(await readdir(attempt)).includes("begun"));
    await sweepScratch(scratch);
    await gone(agent);
    await gone(trainer);
    expect(await readdir(dirname(scratch))).toEqual([]);
  });

  it.each([
    ["an agent", () => ({ PAWL_ATTEMPT_FOLDER: attempt })],
    ["a trainer", () => ({ PAWL_CHECKPOINT_DIR: join(attempt, "checkpoint") })],
  ])("ends %s that nobody has on record, with what has left its group", async (_, environment) => {
    await start(environment(), "setsid", "sh", "-c", "setsid sleep 600 & sleep 600");
    while ((await processesNaming(attempt)).length < 3);
    await writeFile(join(attempt, "agent.json"), '{"host": "cut sh');
    await sweepScratch(scratch);
    expect(await processesNaming(attempt)).toEqual([]);
    expect(await readdir(dirname(scratch))).toEqual([]);
  });

  it("does not touch a process that has the number of one that is gone, nor another run's", async () => {
    const stranger = await start({});
    await record("trainer.json", stranger.pid, { startTime: "1" });
    const otherRun = await start({ PAWL_ATTEMPT_FOLDER: `${scratch}0/1-job` });
    const otherRunToo = await start({
      OTHER_PAWL_ATTEMPT_FOLDER: attempt,
      NOTE: `PAWL_ATTEMPT_FOLDER=${attempt}`,
    });
    await sweepScratch(scratch);
    for (const child of [stranger, otherRun, otherRunToo]) {
      expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      expect(identify(child.pid ?? 0)).toBeDefined();
    }
  });

  it("finds a socket that had to be put elsewhere", async () => {
    const deep = join(scratch, "d".repeat(120));
    await mkdir(deep);
    const path = socketPath(deep);
    expect(path.startsWith(deep)).toBe(false);
    const server = createServer().listen(path);
    await once(server, "listening");
    await sweepScratch(scratch);
    expect(await readdir(dirname(path))).not.toContain(path.slice(dirname(path).length + 1));
    server.close();
  });

  it("is nothing where nothing was left", async () => {
    await sweepScratch(join(scratch, "none"));
  });
});

describe("the place where attempts work", () => {
  it("is beside a folder store", async () => {
    const store = await openFolderStore(await freshFolder());
    expect(scratchFolder(store)).toBe(join(store.address, ".internal", "scratch"));
  });

  it("is in the system's temporary folder for a bucket, each endpoint's own", async () => {
    const folder = await openFolderStore(await freshFolder());
    const bucket = storeVariant(folder, { address: "s3://runs/team" });
    const other = storeVariant(folder, { address: "s3://runs/other" });
    const here = scratchFolder(bucket);
    expect(here.startsWith(join(tmpdir(), `pawl-${userInfo().uid}`))).toBe(true);
    expect(scratchFolder(bucket)).toBe(here);
    expect(scratchFolder(other)).not.toBe(here);
    try {
      vi.stubEnv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566");
      expect(scratchFolder(bucket)).not.toBe(here);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
