import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ObjectStore } from "./object-store.ts";
import type { S3Options } from "./s3.ts";
import { mebibyte, pieces } from "./testing/memory.ts";
import { type Fault, type FaultyProxy, type SeenRequest, startFaultyProxy } from "./testing/s3-faults.ts";
import {
  localstack,
  openAt,
  type S3Server,
  type TestBucket,
  testBucket,
  versitygw,
} from "./testing/s3-servers.ts";

const hasty: S3Options = {
  patience: { totalMilliseconds: 60_000, firstWaitMilliseconds: 2, longestWaitMilliseconds: 50 },
  timeouts: { connectMilliseconds: 5_000, idleMilliseconds: 2_000 },
};

/** What happens on a bad day; all of it passes. */
const passing: readonly Fault[] = [
  { kind: "answer", status: 503, code: "SlowDown" },
  { kind: "answer", status: 409, code: "ConditionalRequestConflict" },
  { kind: "break the request", afterBytes: 0 },
  { kind: "lose the answer" },
  { kind: "lose the answer" },
  { kind: "come late" },
  { kind: "damage the request" },
];

/** Numbers from 0 to 1 that are the same at each run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One request in three goes wrong. */
function badDay(seed: number): (request: SeenRequest) => Fault | undefined {
  const roll = dice(seed);
  return ({ operation }) => {
    if (roll() > 1 / 3) return undefined;
    const fault = passing[Math.floor(roll() * passing.length)];
    return fault?.kind === "damage the request" && operation !== "PutObject" ? undefined : fault;
  };
}

const writers = 8;
const program = fileURLToPath(new URL("testing/s3-writer-process.ts", import.meta.url));
const forever = new Promise<never>(() => {});
const wellDone = () => undefined;

interface Gaps {
  /** Completions of uploads, with conditions, at the same time. */
  readonly completions?: string;
}

function describeRaces(server: S3Server, gaps: Gaps = {}): void {
  describe(`writers at ${server.name} on a bad day`, () => {
    const bucket: TestBucket = testBucket(server);
    let proxy: FaultyProxy;
    let address: string;
    let direct: ObjectStore;
    let stores: ObjectStore[];

    beforeAll(async () => {
      proxy = await startFaultyProxy(server.endpoint);
      address = bucket.fresh();
      direct = await openAt(server.endpoint, address);
      stores = [];
      for (let i = 0; i < writers; i += 1) stores.push(await openAt(proxy.endpoint, address, hasty));
    });
    afterAll(() => proxy.close());

    const textOf = async (key: string) => {
      const object = await direct.read(key);
      return object === undefined ? undefined : Buffer.from(object.bytes).toString("utf8");
    };

    it("has one winner among 8 that create, who knows that it has won", async () => {
      for (let round = 0; round < 12; round += 1) {
        proxy.play(badDay(round));
        const key = `race/${round}`;
        const results = await Promise.all(stores.map((each, i) => each.create(key, `writer ${i}`)));
        const winners = results.flatMap((result, i) => (result === undefined ? [] : [`writer ${i}`]));
        expect(winners).toEqual([await textOf(key)]);
      }
    });

    it("loses no increment, and counts none twice, when 8 count together", async () => {
      proxy.play(badDay(1));
      await direct.create("count", "0");
      const increment = async (each: ObjectStore) => {
        for (;;) {
          const seen = await each.read("count");
          const next = String(Number(Buffer.from(seen?.bytes ?? []).toString("utf8")) + 1);
          if ((await each.replace("count", seen?.version ?? "", next)) !== undefined) return;
        }
      };
      await Promise.all(
        stores.map(async (each) => {
          for (let i = 0; i < 4; i += 1) await increment(each);
        }),
      );
      expect(await textOf("count")).toBe(String(4 * writers));
    });

    it("keeps one gapless journal of 8 that append", async () => {
      proxy.play(badDay(2));
      const written = await Promise.all(
        stores.map(async (each, i) => {
          const mine: string[] = [];
          for (let sequence = 0; mine.length < 3; sequence += 1) {
            const key = `journal/run/${String(sequence).padStart(10, "0")}.json`;
            if ((await each.create(key, `writer ${i}`)) !== undefined) mine.push(key);
          }
          return mine;
        }),
      );
      const keys: string[] = [];
      for await (const { key } of direct.list("journal/run/")) keys.push(key);
      expect(written.flat().sort()).toEqual(keys);
      expect(keys).toHaveLength(3 * writers);
      expect(keys.at(-1)).toBe(`journal/run/${String(3 * writers - 1).padStart(10, "0")}.json`);
    });

    const inParts = gaps.completions === undefined ? it : it.skip;
    const why = gaps.completions === undefined ? "" : ` (${gaps.completions})`;
    inParts(`has one winner among 8 that create in parts${why}`, async () => {
      proxy.play(badDay(3));
      const bodies = async function* (i: number) {
        for (let n = 0; n < 9; n += 1) yield Buffer.alloc(mebibyte, `writer ${i}, MiB ${n};`);
      };
      const results = await Promise.all(stores.map((each, i) => each.create("large", bodies(i))));
      const winners = results.flatMap((result, i) => (result === undefined ? [] : [i]));
      expect(winners).toHaveLength(1);
      expect((await textOf("large"))?.startsWith(`writer ${winners[0]}, MiB 0;`)).toBe(true);
    });

    it("leaves nothing visible of a create in parts whose process was killed, and lets it be done again", async () => {
      const key = "killed";
      for (const at of ["UploadPart", "CompleteMultipartUpload"]) {
        const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
        proxy.play(({ operation }) => {
          if (operation !== at) return undefined;
          reach();
          return { kind: "hold", until: forever };
        });
        const env = { ...process.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
        const writer = spawn(process.execPath, [program, address, key, "20"], { env, stdio: "ignore" });
        const ended = new Promise((resolve) => writer.once("exit", (_, signal) => resolve(signal)));
        await Promise.race([reached, ended]);
        writer.kill("SIGKILL");
        expect(await ended).toBe("SIGKILL");
        expect(await direct.has(key)).toBe(false);
        proxy.play(wellDone);
        expect(await direct.has(key)).toBe(false);
      }
      expect(await direct.create(key, pieces(20))).toMatchObject({ sizeBytes: 20 * mebibyte });
    });

    it("takes no more of a body than four parts while the server takes none of them", async () => {
      const { promise: open, resolve: release } = Promise.withResolvers<void>();
      let held = 0;
      proxy.play(({ operation }) => {
        if (operation !== "UploadPart") return undefined;
        held += 1;
        return { kind: "hold", until: open };
      });
      let taken = 0;
      const { promise: waiting, resolve: wait } = Promise.withResolvers<void>();
      const body = async function* () {
        for await (const piece of pieces(100)) {
          taken += 1;
          if (taken === 32) wait();
          yield piece;
        }
      };
      const patient = await openAt(proxy.endpoint, address, {
        ...hasty,
        timeouts: { connectMilliseconds: 60_000, idleMilliseconds: 60_000 },
      });
      const writing = patient.create("slow/upload", body());
      await waiting;
      // Whatever it would take beyond, it would take at once: nothing else is to be done.
      for (let i = 0; i < 20; i += 1) await direct.has("slow/upload");
      expect(taken).toBeLessThanOrEqual(4 * 8 + 1);
      expect(held).toBeLessThanOrEqual(4);
      release();
      expect(await writing).toMatchObject({ sizeBytes: 100 * mebibyte });
    });

    it("asks for no more than three ranges that nobody has taken, and for none once it is left", async () => {
      await direct.create("slow/download", pieces(60));
      proxy.play(wellDone);
      const [store] = stores;
      const ranges = () => proxy.seen.filter(({ operation }) => operation === "GetObject").length;
      const opened = await store?.open("slow/download");
      expect(ranges()).toBe(0);
      for await (const _ of opened?.body ?? []) {
        for (let i = 0; i < 20; i += 1) await direct.has("slow/download");
        expect(ranges()).toBe(3);
        break;
      }
      for (let i = 0; i < 20; i += 1) await direct.has("slow/download");
      expect(ranges()).toBe(3);
    });
  });
}

describeRaces(localstack(), {
  completions: "it looks at the condition first and writes then, as a note in its source says",
});
describeRaces(versitygw());
