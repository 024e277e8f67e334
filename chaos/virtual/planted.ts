import { createHash } from "node:crypto";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { Manifest } from "../../core/manifest.ts";
import type { RunState } from "../../core/run-state.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { storeVariant } from "../../store/testing/store-variant.ts";

/** A bug, to see that it is found: in the store, or in what decisions write. */
export interface Plant {
  readonly store?: (store: ObjectStore) => ObjectStore;
  readonly entry?: (entry: JournalEntry) => JournalEntry;
}

export interface PlantedBug extends Plant {
  /** What is wrong. */
  readonly name: string;
  /** What a run must then be said to have. */
  readonly finds: RegExp;
}

const inState = (change: (state: RunState, entry: JournalEntry) => RunState) => ({
  entry: (entry: JournalEntry): JournalEntry => ({ ...entry, state: change(entry.state, entry) }),
});

/** Reads a manifest as if what it names were as it should be, whatever it is. */
async function forgiving(store: ObjectStore, key: string) {
  const object = await store.read(key);
  if (object === undefined || !key.endsWith("/manifest.json")) return object;
  try {
    const manifest = Manifest.parse(JSON.parse(Buffer.from(object.bytes).toString("utf8")));
    const files = await Promise.all(
      manifest.files.map(async (file) => {
        const bytes = (await store.read(file.key))?.bytes ?? new Uint8Array();
        return {
          ...file,
          sizeBytes: bytes.byteLength,
          sha256: createHash("sha256").update(bytes).digest("hex"),
        };
      }),
    );
    return { ...object, bytes: Buffer.from(JSON.stringify({ ...manifest, files })) };
  } catch {
    return object;
  }
}

const bytesOf = async (body: Parameters<ObjectStore["create"]>[1]): Promise<Uint8Array> => {
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
};

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "the store overwrites journal entries",
    store: (store) =>
      storeVariant(store, {
        async create(key, body, options) {
          if (key.startsWith("journal/")) await store.remove(key);
          return await store.create(key, body, options);
        },
      }),
    finds: /is another now/,
  },
  {
    name: "the store says that a file is written, and forgets it",
    store: (store) => {
      let count = 0;
      return storeVariant(store, {
        async create(key, body, options) {
          count += key.endsWith("/optimizer.bin") ? 1 : 0;
          if (!key.endsWith("/optimizer.bin") || count % 3 !== 0)
            return await store.create(key, body, options);
          const bytes = await bytesOf(body);
          return {
            version: "1",
            sizeBytes: bytes.byteLength,
            sha256: createHash("sha256").update(bytes).digest("hex"),
          };
        },
      });
    },
    finds: /has lost .*optimizer.bin/,
  },
  {
    name: "a restore checks nothing",
    store: (store) => storeVariant(store, { read: (key) => forgiving(store, key) }),
    finds: /is not what was saved/,
  },
  {
    name: "an attempt that was settled stays live",
    entry: (() => {
      let before: RunState | undefined;
      return (entry: JournalEntry) => {
        const gone =
          before?.live.filter(({ number }) => entry.state.live.every((live) => live.number !== number)) ?? [];
        const ghosts = entry.decision.kind === "recovered" ? gone : [];
        before = entry.state;
        return { ...entry, state: { ...entry.state, live: [...ghosts, ...entry.state.live] } };
      };
    })(),
    finds: /2 attempts live/,
  },
  {
    name: "a spot reclaim counts",
    ...inState((state) => {
      const { recent, withoutProgress } = state.failures;
      const counted = recent.at(-1)?.class === "spot-reclaim" ? withoutProgress + 1 : withoutProgress;
      return { ...state, failures: { ...state.failures, withoutProgress: counted } };
    }),
    finds: /eats the budget/,
  },
  {
    name: "a decision says nothing",
    entry: (entry) =>
      entry.decision.kind === "recovered"
        ? { ...entry, decision: { ...entry.decision, reason: " " } }
        : entry,
    finds: /its reason is none/,
  },
  {
    name: "a failure is given another class",
    ...inState((state) => ({
      ...state,
      failures: {
        ...state.failures,
        recent: state.failures.recent.map((record) => ({ ...record, class: "data-loader/s3" as const })),
      },
    })),
    finds: /data-loader\/s3, though what happened/,
  },
  {
    name: "a step is made of one micro-batch too few",
    ...inState((state) => ({
      ...state,
      live: state.live.map((live) => {
        const { firstPlan } = live;
        const { accumulation = 1 } = firstPlan;
        return accumulation > 1
          ? { ...live, firstPlan: { ...firstPlan, accumulation: accumulation - 1 } }
          : live;
      }),
    })),
    finds: /not that of the calm run/,
  },
  {
    name: "an attempt is told to go on from an older checkpoint than its plan's",
    ...inState((state) => ({
      ...state,
      live: state.live.map((live) => {
        const older = state.kept.find(
          ({ epoch, step }) => epoch < live.firstPlan.epoch - 1 && step === undefined,
        );
        return older === undefined || live.batchJobId !== undefined ? live : { ...live, restore: older.name };
      }),
    })),
    finds: /not that of the calm run/,
  },
  {
    name: "what is dropped is forgotten",
    ...inState((state) => ({ ...state, dropped: [] })),
    finds: /is left behind/,
  },
  {
    name: "a loss that is no number counts",
    ...inState((state) => ({
      ...state,
      recent: state.recent.map((each) => ({
        ...each,
        report: { ...each.report, metrics: { ...each.report.metrics, loss: "NaN" as const } },
      })),
    })),
    finds: /loss that is no number/,
  },
  {
    name: "progress slips back",
    ...inState((state, { event }) =>
      event.type === "ended" && state.progress.epoch > 1
        ? { ...state, progress: { ...state.progress, epoch: state.progress.epoch - 1 } }
        : state,
    ),
    finds: /goes back from/,
  },
];
