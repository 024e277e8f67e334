import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { leaseKey } from "../core/keys.ts";
import { leaseLiveness, localExecutionId } from "../lambdas/lease-liveness.ts";
import { openFolderStore } from "../store/folder.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type ProcessIdentity, thisProcess } from "../store/process-identity.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { takeLease } from "./lease.ts";

const freshFolder = temporaryFolders({ fast: true });
const script = fileURLToPath(new URL("testing/lease-process.ts", import.meta.url));
const run = "digits-1";
const quick = { renewMilliseconds: 5, lifeMilliseconds: 30_000 };

let store: ObjectStore;

beforeEach(async () => {
  store = await openFolderStore(await freshFolder());
});

class LeaseProcess {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const child = spawn(process.execPath, [script, store.address, run], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => void child.kill("SIGKILL"));
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  /** Takes the lease, or gives it back; says how it went. */
  async turn(): Promise<string> {
    this.child.stdin?.write("\n");
    return await this.line();
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }
}

async function eight(): Promise<LeaseProcess[]> {
  const processes = Array.from({ length: 8 }, () => new LeaseProcess());
  for (const each of processes) expect(await each.line()).toBe("ready");
  return processes;
}

async function leaseInStore(): Promise<Record<string, unknown>> {
  const object = await store.read(leaseKey(run));
  return JSON.parse(Buffer.from(object?.bytes ?? []).toString());
}

/** A lease as another process wrote it. */
async function leave(more: {
  process?: ProcessIdentity;
  expiresAt?: string;
  released?: boolean;
}): Promise<void> {
  const lease = {
    version: 1,
    holder: "another",
    process: thisProcess(),
    since: "2026-11-21T10:00:00.000Z",
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    released: false,
    ...more,
  };
  const there = await store.read(leaseKey(run));
  const body = JSON.stringify(lease);
  if (there === undefined) await store.create(leaseKey(run), body);
  else await store.replace(leaseKey(run), there.version, body);
}

const elsewhere: ProcessIdentity = { host: "elsewhere", bootId: "another-boot", pid: 7, startTime: "7" };

describe("the lease of a run", () => {
  it("has one holder of eight processes that want it at once: at first, after a kill, and after a release", async () => {
    const processes = await eight();
    let rest = processes;
    for (const end of ["kill", "release", "kill"] as const) {
      const said = await Promise.all(rest.map((each) => each.turn()));
      const holder = rest[said.indexOf("taken")];
      if (holder === undefined) return expect.unreachable(said.join());
      const refusals = said.filter((each) => each !== "taken");
      expect(refusals).toHaveLength(rest.length - 1);
      for (const refusal of refusals)
        expect(refusal).toContain(`RUN_HELD run ${run} is being trained by process ${holder.child.pid} on `);
      await expect(takeLease(store, run)).rejects.toMatchObject({ code: "RUN_HELD" });
      if (end === "kill") await holder.kill();
      else expect(await holder.turn()).toBe("released");
      rest = rest.filter((each) => each !== holder);
    }
    const mine = await takeLease(store, run);
    expect((await leaseInStore()).holder).toBe(mine.holder);
    await mine.release();
  });

  it("is taken over at once from a process whose number another one has now", async () => {
    await leave({ process: { ...thisProcess(), startTime: "1" } });
    await (await takeLease(store, run)).release();
  });

  it("is another host's until it expires", async () => {
    await leave({ process: elsewhere });
    await expect(takeLease(store, run)).rejects.toMatchObject({
      code: "RUN_HELD",
      message: expect.stringContaining("process 7 on elsewhere"),
    });
    await leave({ process: elsewhere, expiresAt: new Date(Date.now() - 1).toISOString() });
    await (await takeLease(store, run)).release();
  });

  it("of a process that lives is believed, however long it has not been renewed", async () => {
    await leave({ expiresAt: "2020-01-01T00:00:00.000Z" });
    await expect(takeLease(store, run)).rejects.toMatchObject({ code: "RUN_HELD" });
  });

  it("that cannot be read is not taken, and named", async () => {
    await store.create(leaseKey(run), '{"version": 2}');
    await expect(takeLease(store, run)).rejects.toMatchObject({
      code: "STORE_FAILED",
      details: { key: leaseKey(run) },
      next: expect.stringContaining(leaseKey(run)),
    });
  });
});

describe("who holds a lease", () => {
  it("renews it, and learns when another has the run; what that one wrote stays", async () => {
    const lease = await takeLease(store, run, quick);
    const { expiresAt } = await leaseInStore();
    await expect.poll(async () => (await leaseInStore()).expiresAt).not.toBe(expiresAt);
    expect(lease.lost.aborted).toBe(false);
    const take = async () => {
      await leave({ process: elsewhere });
      return (await leaseInStore()).holder;
    };
    await expect.poll(take).toBe("another");
    await expect.poll(() => lease.lost.aborted).toBe(true);
    expect(lease.lost.reason).toMatchObject({
      code: "RUN_HELD",
      message: expect.stringContaining("process 7 on elsewhere"),
    });
    await lease.release();
    expect(await leaseInStore()).toMatchObject({ holder: "another", released: false });
  });

  it("keeps it where the store fails for a while, and where the answer to a renewal was lost", async () => {
    const fails = { before: 0, after: 0 };
    const failing = storeVariant(store, {
      replace: async (...all) => {
        if (fails.before > 0) {
          fails.before -= 1;
          throw new Error("not now");
        }
        const written = await store.replace(...all);
        if (fails.after > 0) {
          fails.after -= 1;
          throw new Error("the answer was lost");
        }
        return written;
      },
    });
    const lease = await takeLease(failing, run, quick);
    for (const when of ["before", "after"] as const) {
      fails[when] = 2;
      await expect.poll(() => fails[when]).toBe(0);
      const { expiresAt } = await leaseInStore();
      await expect.poll(async () => (await leaseInStore()).expiresAt).not.toBe(expiresAt);
      expect(lease.lost.aborted).toBe(false);
    }
    fails.after = 1;
    await expect.poll(() => fails.after).toBe(0);
    await lease.release();
    expect(await leaseInStore()).toMatchObject({ holder: lease.holder, released: true });
    await (await takeLease(store, run)).release();
  });
});

describe("whether a driver lives", () => {
  it("is what its lease says: held, released, or another's by now", async () => {
    const liveness = leaseLiveness(store);
    const driver = (holder: string) => ({
      id: localExecutionId(holder, "digits-1-x"),
      execution: "digits-1-x",
    });
    expect(await liveness.check(run, driver("nobody"))).toEqual({ alive: false, who: "digits-1-x" });
    const lease = await takeLease(store, run);
    expect(await liveness.check(run, driver(lease.holder))).toEqual({
      alive: true,
      who: expect.stringContaining(`process ${process.pid} on `),
    });
    expect(await liveness.check(run, driver("earlier"))).toMatchObject({ alive: false });
    expect(await liveness.check(run, { id: "arn:aws:states:…", execution: "x" })).toMatchObject({
      alive: false,
    });
    await lease.release();
    expect(await liveness.check(run, driver(lease.holder))).toMatchObject({ alive: false });
  });
});
