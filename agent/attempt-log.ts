import { StringDecoder } from "node:string_decoder";
import { logKey } from "../core/keys.ts";
import type { ObjectStore } from "../store/object-store.ts";

const flushBytes = 256 * 1024;
const flushMilliseconds = 1000;
/** Where so much waits to be written, whoever prints waits too. */
const waitingBytes = 4 * 1024 * 1024;
const tailLines = 20;
const tailCharacters = 500;

/** What is kept for the diagnosis: so many lines, each cut, and no more characters than that in all. */
const recentLines = 400;
const lineCharacters = 2000;
const recentCharacters = 65_536;

/**
 * The attempt's log in the store: numbered parts, each written once, at most a second behind, so that a log can be
 * followed and a killed agent leaves all but its last second. A store that refuses a part costs that part only: training
 * does not end for a log.
 */
export class AttemptLog {
  readonly #store: ObjectStore;
  readonly #key: (part: number) => string;
  readonly #decoder = new StringDecoder("utf8");
  #parts = 0;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** Given to the store, and not yet taken by it. */
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #recent: string[] = [];
  #line = "";
  /** Parts that could not be written. */
  lost = 0;

  constructor(store: ObjectStore, run: string, attempt: number, batchJobId: string) {
    this.#store = store;
    this.#key = (part) => logKey(run, attempt, batchJobId, part);
  }

  /** Takes output. Where a promise comes back, the store is behind: no more should be read until it settles. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#buffered.push(chunk);
    this.#bufferedBytes += chunk.byteLength;
    this.#remember(this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
    if (this.#bufferedBytes >= flushBytes) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), flushMilliseconds).unref();
    return this.#waitingBytes > waitingBytes ? this.#writing : undefined;
  }

  /** The last lines, for the outcome and for messages. */
  tail(): string[] {
    const unfinished = this.#line === "" ? [] : [this.#line.slice(-tailCharacters)];
    return [...this.#recent.slice(-tailLines), ...unfinished]
      .slice(-tailLines)
      .map((line) => line.slice(0, tailCharacters));
  }

  /** More of the last lines, for the diagnosis. */
  recent(): string[] {
    return [...this.#recent, ...(this.#line === "" ? [] : [this.#line])];
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  #remember(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = (lines.pop() ?? "").slice(-lineCharacters);
    this.#recent.push(...lines.slice(-recentLines).map((line) => line.slice(0, lineCharacters)));
    let characters = 0;
    const from = this.#recent.findLastIndex((line) => {
      characters += line.length + 1;
      return characters > recentCharacters;
    });
    this.#recent = this.#recent.slice(Math.max(from + 1, this.#recent.length - recentLines));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#bufferedBytes === 0) return;
    const body = Buffer.concat(this.#buffered);
    this.#buffered = [];
    this.#bufferedBytes = 0;
    this.#waitingBytes += body.byteLength;
    this.#parts += 1;
    const key = this.#key(this.#parts);
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#store.create(key, body);
      } catch {
        this.lost += 1;
      }
      this.#waitingBytes -= body.byteLength;
    });
  }
}
