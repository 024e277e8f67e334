import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PawlError } from "../core/errors.ts";
import type { ObjectStore } from "./object-store.ts";
import type { S3Options } from "./s3.ts";
import { type Fault, type FaultyProxy, type SeenRequest, startFaultyProxy } from "./testing/s3-faults.ts";
import {
  localstack,
  openAt,
  type S3Server,
  type TestBucket,
  testBucket,
  versitygw,
} from "./testing/s3-servers.ts";
import { testClock } from "./testing/test-clock.ts";

const mebibyte = 1024 * 1024;

/** Two parts, and three ranges. */
const largeBytes = 9 * mebibyte;

const waits = { firstWaitMilliseconds: 2, longestWaitMilliseconds: 50 };

/** Tries often and soon. A server that has much to do, or a machine that stands still, is not silent for it. */
const eager: S3Options = {
  patience: { totalMilliseconds: 30_000, ...waits },
  timeouts: { connectMilliseconds: 10_000, idleMilliseconds: 10_000 },
};

/** Takes silence for failure early: an upload that a server is slow to begin is begun twice, and one of the two stays. */
const hasty: S3Options = { ...eager, timeouts: { connectMilliseconds: 10_000, idleMilliseconds: 2_000 } };

const needHaste: readonly Fault["kind"][] = ["never answer", "answer slowly"];

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** Other bytes in each MiB, so that none can stand for another. */
function large(name: string): Buffer {
  return Buffer.concat(Array.from({ length: 9 }, (_, i) => Buffer.alloc(mebibyte, `${name}, MiB ${i};`)));
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += mebibyte) yield bytes.subarray(at, at + mebibyte);
}

async function gather(chunks: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks ?? []) all.push(chunk);
  return Buffer.concat(all);
}

async function digestAt(store: ObjectStore, key: string): Promise<string | undefined> {
  const object = await store.read(key);
  return object === undefined ? undefined : sha256(object.bytes);
}

const busy: Record<string, Fault> = {
  "503": { kind: "answer", status: 503, code: "SlowDown" },
  "500": { kind: "answer", status: 500, code: "InternalError" },
  "409": { kind: "answer", status: 409, code: "ConditionalRequestConflict" },
};

const broken: Record<string, Fault> = {
  "a connection that breaks at once": { kind: "break the request", afterBytes: 0 },
  "an answer that is lost": { kind: "lose the answer" },
  "an answer that breaks off": { kind: "break the answer", afterBytes: 100 },
  "a request that comes late": { kind: "come late" },
  "no answer": { kind: "never answer" },
  "a slow answer": { kind: "answer slowly" },
};

const ofRequestBodies: Record<string, Fault> = {
  "a body that breaks off": { kind: "break the request", afterBytes: 3 },
  "a damaged body": { kind: "damage the request" },
};

const ofAnswerBodies: Record<string, Fault> = {
  "an answer that breaks off late": { kind: "break the answer", afterBytes: 1_500_000 },
};

/** Of several ranges it cannot be said which is damaged; see below. */
const ofWholeAnswers: Record<string, Fault> = {
  "a damaged answer": { kind: "damage the answer" },
};

interface Scenario {
  readonly name: string;
  /** What is asked of S3 where nothing goes wrong. */
  readonly requests: readonly string[];
  /** Which of them are spoiled; all, where it does not say. */
  readonly spoiled?: readonly number[];
  /** What the key holds before; nothing where it is absent. */
  readonly before?: string;
  /** It changes nothing, so that one key does for all. */
  readonly reads?: true;
  /** Through the faulty way; throws where the result is wrong. */
  act(store: ObjectStore, key: string, version: string): Promise<void>;
  /** The digest of what the key holds after; `undefined`: nothing. */
  readonly after: string | undefined;
}

const small = "a small body";
const largeBody = large("after");

function expectWritten(written: { sha256: string } | undefined, digest: string): void {
  expect(written?.sha256).toBe(digest);
}

const inParts = [
  "HeadObject",
  "CreateMultipartUpload",
  "UploadPart",
  "UploadPart",
  "CompleteMultipartUpload",
];

const scenarios: readonly Scenario[] = [
  {
    name: "a small create",
    requests: ["PutObject"],
    act: async (store, key) => expectWritten(await store.create(key, small), sha256(small)),
    after: sha256(small),
  },
  {
    name: "a small streamed create",
    requests: ["HeadObject", "PutObject"],
    act: async (store, key) =>
      expectWritten(await store.create(key, inPieces(Buffer.from(small))), sha256(small)),
    after: sha256(small),
  },
  {
    name: "a create in parts",
    requests: inParts,
    act: async (store, key) => expectWritten(await store.create(key, inPieces(largeBody)), sha256(largeBody)),
    after: sha256(largeBody),
  },
  {
    name: "a small replace",
    requests: ["PutObject"],
    before: "before",
    act: async (store, key, version) =>
      expectWritten(await store.replace(key, version, small), sha256(small)),
    after: sha256(small),
  },
  {
    name: "a replace in parts",
    requests: inParts,
    // The others are those of a create.
    spoiled: [0, 4],
    before: "before",
    act: async (store, key, version) =>
      expectWritten(await store.replace(key, version, inPieces(largeBody)), sha256(largeBody)),
    after: sha256(largeBody),
  },
  {
    name: "a read",
    reads: true,
    requests: ["GetObject"],
    before: small,
    act: async (store, key) => expect(await digestAt(store, key)).toBe(sha256(small)),
    after: sha256(small),
  },
  {
    name: "an open",
    reads: true,
    requests: ["HeadObject", "GetObject", "GetObject", "GetObject"],
    before: largeBody.toString("latin1"),
    act: async (store, key) =>
      expect(sha256(await gather((await store.open(key))?.body))).toBe(sha256(largeBody)),
    after: sha256(largeBody),
  },
  {
    name: "a look",
    reads: true,
    requests: ["HeadObject"],
    before: small,
    act: async (store, key) => expect(await store.has(key)).toBe(true),
    after: sha256(small),
  },
  {
    name: "a remove",
    requests: ["DeleteObject"],
    before: small,
    act: (store, key) => store.remove(key),
    after: undefined,
  },
  {
    name: "a list",
    reads: true,
    requests: ["ListObjectsV2"],
    before: small,
    act: async (store, key) => {
      const keys: string[] = [];
      for await (const object of store.list(key)) keys.push(object.key);
      expect(keys).toEqual([key]);
    },
    after: sha256(small),
  },
];

/**
 * Uploads that are left and nobody can know of, or that a late part brings back: only the bucket's own rule can end them.
 */
function leavesUpload(operation: string, fault: string): boolean {
  if (operation === "UploadPart") return fault === "a request that comes late";
  return operation === "CreateMultipartUpload" && /lost|breaks off|late/.test(fault);
}

/** The faults of a request that the store makes good, by their names. */
function faultsOf({ requests }: Scenario, operation: string): Record<string, Fault> {
  const alone = requests.filter((each) => each === operation).length === 1;
  return {
    ...busy,
    ...broken,
    ...(operation === "PutObject" || operation === "UploadPart" ? ofRequestBodies : {}),
    ...(operation === "GetObject" ? ofAnswerBodies : {}),
    ...(operation === "GetObject" && alone ? ofWholeAnswers : {}),
  };
}

const at = (number: number, fault: Fault) => (request: SeenRequest) =>
  request.number === number ? fault : undefined;

interface Gaps {
  /** A completion that comes late, while the one after it is worked on. */
  readonly lateCompletion?: string;
}

function describeFaults(server: S3Server, gaps: Gaps = {}): void {
  describe(`a store at ${server.name} behind faults`, () => {
    const bucket: TestBucket = testBucket(server);
    let proxy: FaultyProxy;
    let direct: ObjectStore;
    let faulty: ObjectStore;
    /** As `faulty`, where silence is the fault. */
    let faultyAndHasty: ObjectStore;
    /** Through the proxy too, and never too early. */
    let patient: ObjectStore;

    beforeAll(async () => {
      proxy = await startFaultyProxy(server.endpoint);
      const address = bucket.fresh();
      direct = await openAt(server.endpoint, address);
      faulty = await openAt(proxy.endpoint, address, eager);
      faultyAndHasty = await openAt(proxy.endpoint, address, hasty);
      patient = await openAt(proxy.endpoint, address);
    });
    afterAll(() => proxy.close());

    const prepare = async ({ before }: Scenario, key: string) => {
      if (before === undefined) return "";
      const body = Buffer.from(before, "latin1");
      return (await direct.create(key, body))?.version ?? "";
    };

    for (const scenario of scenarios) {
      const keyOf = (name: string, number: number) =>
        scenario.reads === true ? scenario.name : `${name}/${scenario.name}/${number}`;

      it(`asks for ${scenario.requests.join(", ")} in ${scenario.name}`, async () => {
        const key = keyOf("asks", 0);
        const version = await prepare(scenario, key);
        proxy.play(() => undefined);
        await scenario.act(patient, key, version);
        expect(proxy.seen.map(({ operation }) => operation)).toEqual(scenario.requests);
      });

      const spoiled = [...scenario.requests.entries()].filter(
        ([number]) => scenario.spoiled?.includes(number) ?? true,
      );
      const names = new Set(spoiled.flatMap(([, operation]) => Object.keys(faultsOf(scenario, operation))));
      for (const name of names) {
        it(`does ${scenario.name} in spite of ${name} at any of its requests`, async () => {
          for (const [number, operation] of spoiled) {
            const fault = faultsOf(scenario, operation)[name];
            const isGap = gaps.lateCompletion !== undefined && operation === "CompleteMultipartUpload";
            if (fault === undefined || (isGap && fault.kind === "come late")) continue;
            const key = keyOf(name, number);
            const version = await prepare(scenario, key);
            proxy.play(at(number, fault));
            await scenario.act(needHaste.includes(fault.kind) ? faultyAndHasty : faulty, key, version);
            proxy.play(() => undefined);
            if (scenario.reads === true) continue;
            expect(await digestAt(direct, key)).toBe(scenario.after);
            if (leavesUpload(operation, name)) continue;
            expect((await bucket.unfinished()).filter((each) => each.endsWith(key))).toEqual([]);
          }
        });
      }

      it(`either does ${scenario.name} or changes nothing where a request is refused by 412`, async () => {
        for (const number of scenario.requests.keys()) {
          const key = keyOf("412", number);
          const version = await prepare(scenario, key);
          proxy.play(at(number, { kind: "answer", status: 412, code: "PreconditionFailed" }));
          const done = await scenario.act(faulty, key, version).then(
            () => true,
            () => false,
          );
          proxy.play(() => undefined);
          const before =
            scenario.before === undefined ? undefined : sha256(Buffer.from(scenario.before, "latin1"));
          expect(await digestAt(direct, key)).toBe(done ? scenario.after : before);
        }
      });
    }

    describe("where it goes on and on", () => {
      const forever: [string, Fault, string][] = [
        ["503", { kind: "answer", status: 503, code: "SlowDown" }, "STORE_UNREACHABLE"],
        ["broken connections", { kind: "break the request", afterBytes: 0 }, "STORE_UNREACHABLE"],
        ["silence", { kind: "never answer" }, "STORE_UNREACHABLE"],
        ["403", { kind: "answer", status: 403, code: "AccessDenied" }, "STORE_DENIED"],
        ["damaged bodies", { kind: "damage the request" }, "STORE_DIGEST"],
      ];
      // It ends after so much waiting, however long the tries take: for silence, which is long, after two of them.
      const brief = ({ kind }: Fault): S3Options => ({
        ...(kind === "never answer" ? hasty : eager),
        clock: testClock(1).clock,
        patience: { totalMilliseconds: kind === "never answer" ? 5 : 300, ...waits },
      });
      for (const [name, fault, code] of forever) {
        it(`fails with ${code} for ${name}, and writes nothing`, async () => {
          proxy.play(() => undefined);
          const address = bucket.fresh();
          const hopeless = await openAt(proxy.endpoint, address, brief(fault));
          const plain = await openAt(server.endpoint, address);
          proxy.play(({ operation }) => (/PutObject|UploadPart/.test(operation) ? fault : undefined));
          for (const body of [small, inPieces(largeBody)]) {
            const failure = await hopeless.create("k", body).catch((error: unknown) => error);
            expect(failure).toMatchObject({ name: "PawlError", code, details: { key: "k" } });
            expect(failure instanceof PawlError && failure.next).toMatch(/\w+\./);
            expect(await plain.has("k")).toBe(false);
          }
          expect(proxy.seen.at(-1)?.operation).toBe("AbortMultipartUpload");
          expect((await bucket.unfinished()).filter((each) => each.startsWith(address))).toEqual([]);
        });
      }

      it("tells damaged bytes by STORE_DIGEST, and never gives all of them as if they were right", async () => {
        await direct.create("damaged/small", small);
        await direct.create("damaged/large", inPieces(largeBody));
        proxy.play(({ operation }) =>
          operation === "GetObject" ? { kind: "damage the answer" } : undefined,
        );
        await expect(faulty.read("damaged/small")).rejects.toMatchObject({ code: "STORE_DIGEST" });
        await expect(faulty.open("damaged/small").then((it) => gather(it?.body))).rejects.toMatchObject({
          code: "STORE_DIGEST",
        });
        let given = 0;
        const reading = (async () => {
          for await (const chunk of (await faulty.open("damaged/large"))?.body ?? [])
            given += chunk.byteLength;
        })();
        await expect(reading).rejects.toMatchObject({
          code: "STORE_DIGEST",
          details: { key: "damaged/large" },
        });
        expect(given).toBeLessThan(largeBytes);
      });
    });

    it("does not mix the bytes of two objects where one is replaced while it is read", async () => {
      proxy.play(() => undefined);
      const first = await direct.create("swapped", inPieces(large("first")));
      let swapped = false;
      const opened = await faulty.open("swapped");
      const reading = (async () => {
        for await (const _ of opened?.body ?? []) {
          if (swapped) continue;
          swapped = true;
          proxy.play(() => ({ kind: "break the request", afterBytes: 0 }));
          await direct.replace("swapped", first?.version ?? "", inPieces(large("second")));
          proxy.play(() => undefined);
        }
      })();
      const outcome = await reading.catch((error: unknown) => error);
      // All of it may have been on its way already.
      if (outcome !== undefined)
        expect(outcome).toMatchObject({ code: "STORE_FAILED", details: { key: "swapped" } });
      expect(await digestAt(direct, "swapped")).toBe(sha256(large("second")));
    });
  });
}

describeFaults(localstack(), {
  lateCompletion: "it works on two completions of one upload at a time, and mixes them",
});
describeFaults(versitygw());
