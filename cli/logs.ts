import { StringDecoder } from "node:string_decoder";
import { exitCodes, PawlError } from "../core/errors.ts";
import { openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { AttemptLogs } from "./attempt-logs.ts";
import type { CommandRun, Console } from "./commands.ts";
import { count } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { JournalTail } from "./journal-tail.ts";
import { openStoreToRead, runNotFound } from "./runs.ts";

/** A longer line (in characters: a progress bar, or no text at all) becomes several. */
const longestLine = 1024 * 1024;

/** What a line of `logs --json` is. */
interface LogLine {
  readonly attempt: number;
  readonly line: string;
}

/** `pawl logs <name>`. */
export const logs: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const wanted = wantedAttempt(options.attempt);
  const store = await openStoreToRead(options, run);
  const journal = openJournal(store);
  const newest = await journal.newest(run);
  if (newest === undefined) throw await runNotFound(journal, run, store.address);
  const tail = new JournalTail(store, newest);
  const last = newest.state.nextAttempt - 1;
  if (typeof wanted === "number" && wanted > last) throw attemptNotFound(run, wanted, last);
  const first = wanted === "all" ? 1 : wanted === "newest" ? Math.max(1, last) : wanted;
  const out = options.json === true ? new LogLines(console) : new LogBytes(console);
  const printed = { store, tail, out, console };
  const end = typeof wanted === "number" ? wanted : undefined;
  if (options.follow !== true) {
    await print(printed, first, end ?? last);
    return exitCodes.done;
  }
  const leave = new AbortController();
  const restore = onInterrupt(
    () => leave.abort(),
    () => {},
  );
  try {
    await followLogs(printed, first, end, leave.signal);
  } finally {
    restore();
  }
  return exitCodes.done;
};

interface Printing {
  readonly store: ObjectStore;
  readonly tail: JournalTail;
  readonly out: LogOutput;
  readonly console: Console;
}

/** The Batch job that holds an attempt, as long as the state says so. */
const claimedBy = ({ newest }: JournalTail, attempt: number): string | undefined =>
  newest.state.live.find(({ number }) => number === attempt)?.batchJobId;

/** Prints what is new of an attempt's logs; `false` where nobody reads it any more. */
async function drain({ tail, out, console }: Printing, log: AttemptLogs): Promise<boolean> {
  for await (const news of log.more(claimedBy(tail, log.attempt))) {
    out.begin(log.attempt, news.batchJobId);
    if ("missing" in news) {
      await out.flush();
      console.err(
        `${count(news.missing, "part")} of the log ${news.missing === 1 ? "is" : "are"} missing here`,
      );
    } else if (!(await out.write(news.bytes))) return false;
  }
  return true;
}

async function print(printing: Printing, first: number, last: number): Promise<void> {
  const { store, tail, out, console } = printing;
  for (let attempt = first; attempt <= last; attempt += 1) {
    if (!(await drain(printing, new AttemptLogs(store, tail.newest.run, attempt)))) return;
    if (!(await out.flush())) return;
    if (first === last && !out.begun) console.err(`attempt ${attempt} has printed nothing`);
  }
  if (last === 0) console.err(`run ${tail.newest.run} has no attempt yet`);
}

/** Prints and goes on, over to the attempts that come, up to `end` where it is given. */
async function followLogs(
  printing: Printing,
  first: number,
  end: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { store, tail, out, console } = printing;
  const { run } = tail.newest;
  let log = new AttemptLogs(store, run, first);
  while (!signal.aborted) {
    // Before its log is read: what was printed until then is in the store.
    await tail.more();
    const { state } = tail.newest;
    const { attempt } = log;
    const over = attempt < state.nextAttempt && !state.live.some(({ number }) => number === attempt);
    const settled = await tail.settled();
    if (!(await drain(printing, log))) return;
    if (over && !(await out.flush())) return;
    if (over && attempt === end) return;
    if (over && attempt < state.nextAttempt - 1) {
      log = new AttemptLogs(store, run, attempt + 1);
      continue;
    }
    if (settled !== undefined) {
      await out.flush();
      const why = settled === "interrupted" ? `nobody trains run ${run} now` : `run ${run} is ${settled}`;
      console.err(why);
      return;
    }
    await tail.wait(signal);
  }
  await out.flush();
  console.err(`no longer following; training of run ${run} goes on`);
}

/** Where a log is printed; the Batch job that it is of is named on stderr where another one begins. */
abstract class LogOutput {
  protected readonly console: Console;
  protected attempt = 0;
  #batchJobId = "";

  constructor(console: Console) {
    this.console = console;
  }

  get begun(): boolean {
    return this.attempt > 0;
  }

  begin(attempt: number, batchJobId: string): void {
    if (attempt === this.attempt && batchJobId === this.#batchJobId) return;
    this.leave();
    this.attempt = attempt;
    this.#batchJobId = batchJobId;
    this.console.err(`attempt ${attempt}, Batch job ${batchJobId}`);
  }

  /** `false`, as of `flush`, where nobody reads it any more. */
  abstract write(bytes: Uint8Array): Promise<boolean>;
  /** Prints what is held back of a line that has no end. */
  abstract flush(): Promise<boolean>;
  /** Another log begins. */
  protected abstract leave(): void;
}

/** A log on stdout, byte for byte. */
class LogBytes extends LogOutput {
  write(bytes: Uint8Array): Promise<boolean> {
    return this.console.outBytes(bytes);
  }

  async flush(): Promise<boolean> {
    return true;
  }

  protected leave(): void {}
}

/** A log on stdout, a JSON object for each line. */
class LogLines extends LogOutput {
  #decoder = new StringDecoder("utf8");
  #line = "";
  #waiting: LogLine[] = [];

  write(bytes: Uint8Array): Promise<boolean> {
    const lines = (this.#line + this.#decoder.write(Buffer.from(bytes))).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.#add(line);
    if (this.#line.length > longestLine) {
      this.#add(this.#line);
      this.#line = "";
    }
    return this.#print();
  }

  flush(): Promise<boolean> {
    this.leave();
    return this.#print();
  }

  protected leave(): void {
    const rest = this.#line + this.#decoder.end();
    this.#line = "";
    if (rest !== "") this.#add(rest);
  }

  #add(line: string): void {
    this.#waiting.push({ attempt: this.attempt, line: line.replace(/\r$/, "") });
  }

  async #print(): Promise<boolean> {
    const lines = this.#waiting.splice(0);
    if (lines.length === 0) return true;
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    return await this.console.outBytes(Buffer.from(text));
  }
}

function wantedAttempt(given: string | boolean | undefined): number | "newest" | "all" {
  if (given === undefined || given === "newest") return "newest";
  if (given === "all") return "all";
  if (typeof given === "string" && /^[1-9]\d{0,8}$/.test(given)) return Number(given);
  throw new PawlError("USAGE", `--attempt ${given}: must be a number, newest or all`, {
    next: "Correct --attempt.",
    details: { option: "--attempt", value: given },
  });
}

function attemptNotFound(run: string, attempt: number, last: number): PawlError {
  const there =
    last === 0 ? "it has none yet" : last === 1 ? "it has attempt 1" : `it has attempts 1 to ${last}`;
  return new PawlError("ATTEMPT_NOT_FOUND", `run ${run} has no attempt ${attempt}: ${there}`, {
    next: "Name one of these with --attempt.",
    details: { run, attempt },
  });
}
