import * as z from "zod";
import { journalKey, restingKey } from "../core/keys.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** More runs than this are not remembered: it bounds the object. */
const mostRuns = 20_000;

const Remembered = z.strictObject({ version: z.literal(1), runs: z.record(z.string(), z.int().min(1)) });

/**
 * The runs that were found at rest, each with its newest entry. Whoever starts one again writes the next entry: to ask for
 * that is one request, where to find the end of its journal takes twenty. Nothing but time is lost with it.
 */
export class RestingRuns {
  readonly #store: ObjectStore;
  readonly #version: string | undefined;
  readonly #runs: Map<string, number>;
  #changed = false;

  private constructor(store: ObjectStore, version: string | undefined, runs: Map<string, number>) {
    this.#store = store;
    this.#version = version;
    this.#runs = runs;
  }

  static async read(store: ObjectStore): Promise<RestingRuns> {
    const object = await store.read(restingKey);
    return new RestingRuns(store, object?.version, new Map(parsed(object?.bytes)));
  }

  /** Whether the run was at rest, and has no newer entry than it had then. */
  async isAtRest(run: string): Promise<boolean> {
    const sequence = this.#runs.get(run);
    return sequence !== undefined && !(await this.#store.has(journalKey(run, sequence + 1)));
  }

  /** `sequence` is absent where the run is not at rest. */
  note(run: string, sequence: number | undefined): void {
    if (this.#runs.get(run) === sequence) return;
    this.#changed = true;
    if (sequence === undefined) this.#runs.delete(run);
    else this.#runs.set(run, sequence);
  }

  /** Of two that write at once one wins; the other finds out again what is lost. */
  async write(): Promise<void> {
    if (!this.#changed) return;
    const runs = Object.fromEntries([...this.#runs].slice(-mostRuns));
    const text = JSON.stringify({ version: 1, runs } satisfies z.infer<typeof Remembered>);
    if (this.#version === undefined) await this.#store.create(restingKey, text);
    else await this.#store.replace(restingKey, this.#version, text);
  }
}

function parsed(bytes: Uint8Array | undefined): [string, number][] {
  if (bytes === undefined) return [];
  try {
    return Object.entries(Remembered.parse(JSON.parse(Buffer.from(bytes).toString("utf8"))).runs);
  } catch {
    return [];
  }
}
