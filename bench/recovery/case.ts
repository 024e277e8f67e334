import { spawn } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { openJournal } from "../../store/journal.ts";
import { openStore } from "../../store/open-store.ts";
import { ProcessIdentity } from "../../store/process-identity.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const run = "recovery-1";

/** What is killed: by SIGKILL, all of it. */
export const victims = ["trainer", "agent and trainer", "runner and all"] as const;
export type Victim = (typeof victims)[number];

/** Where the time goes, in the order in which it passes. */
export const parts = [
  "detection",
  "decision",
  "start of the agent",
  "claim",
  "restore",
  "start of the interpreter",
  "hello",
  "load",
  "first step",
] as const;
export type Part = (typeof parts)[number];

/** The trainer's own notes on one attempt, in milliseconds since 1970. */
interface Marks {
  readonly attempt: number;
  readonly epoch: number;
  readonly began: number;
  readonly connected: number;
  readonly loaded: number;
  readonly stepped: number;
}

const patienceMilliseconds = 60_000;

/** A run that never ends, in a store of its own, with a state of so many bytes; killed again and again. */
export class RecoveringRun {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  #runner: ReturnType<typeof spawn> | undefined;
  #said = "";

  private constructor(folder: string, stateBytes: number) {
    this.#folder = folder;
    this.#env = { ...process.env, STATE_BYTES: String(stateBytes), MARKS: join(folder, "marks") };
  }

  /** Begins it, up to a step of its second epoch, with the first one committed. */
  static async begin(folder: string, stateBytes: number): Promise<RecoveringRun> {
    const lines = [
      "name: recovery",
      `command: [python3, ${JSON.stringify(join(here, "train.py"))}]`,
      "epochs: 2",
      "batchSize: 8",
      "checkpoint: {keep: 1, every: epoch}",
      // No wait between two attempts: what is measured is not the backoff that a job asks for.
      "retry: {failuresWithoutProgress: 100, baseDelay: 0s}",
    ];
    await writeFile(join(folder, "pawl.yaml"), `${lines.join("\n")}\n`);
    await writeFile(join(folder, "marks"), "");
    const recovering = new RecoveringRun(folder, stateBytes);
    recovering.#start();
    const journal = openJournal(await openStore(recovering.#store));
    await until(
      "the first epoch is committed",
      async () => (await journal.newest(run))?.state.progress.epoch === 1,
    );
    await until("the trainer waits", async () => (await recovering.#pids()).trainer !== undefined);
    return recovering;
  }

  get #store(): string {
    return join(this.#folder, "store");
  }

  /** The file that attempts go on from. */
  get stateFile(): string {
    return join(this.#store, "checkpoints", run, "1-1", "state.bin");
  }

  #start(): void {
    const args = [
      join(root, "cli", "main.ts"),
      "train",
      join(this.#folder, "pawl.yaml"),
      "--store",
      this.#store,
    ];
    this.#runner = spawn(process.execPath, args, { env: this.#env, stdio: ["ignore", "ignore", "pipe"] });
    this.#runner.stderr?.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-2000);
    });
  }

  /** Kills, and tells where the time until the next step went, in milliseconds. */
  async killOnce(victim: Victim): Promise<ReadonlyMap<Part, number>> {
    const { agent, trainer, attempt } = await this.#pids();
    const killedAt = epochMilliseconds();
    if (victim === "runner and all") this.#runner?.kill("SIGKILL");
    for (const pid of victim === "trainer" ? [trainer] : [agent, trainer]) {
      try {
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      } catch {
        // It went with the one before.
      }
    }
    if (victim === "runner and all") this.#start();
    let marks: Marks | undefined;
    await this.#until("it trains again", async () => {
      marks = (await this.#marks()).find((each) => each.attempt > attempt);
      return marks !== undefined;
    });
    if (marks === undefined) throw new Error("there are no marks");
    return await this.#parts(killedAt, marks);
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    try {
      await until(what, holds);
    } catch (cause) {
      this.#runner?.kill("SIGKILL");
      throw new Error(`${cause instanceof Error ? cause.message : cause}; the runner said:\n${this.#said}`, {
        cause,
      });
    }
  }

  async #parts(killedAt: number, marks: Marks): Promise<ReadonlyMap<Part, number>> {
    const { decided, claimed } = await this.#entries(marks.attempt);
    const scratch = join(this.#store, ".internal", "scratch", run);
    const [attempt = ""] = (await readdir(scratch)).filter((name) => name.startsWith(`${marks.attempt}-`));
    const noted = async (name: string) => (await stat(join(scratch, attempt, `${name}.json`))).mtimeMs;
    const [agent, trainer] = [await noted("agent"), await noted("trainer")];
    const decidedAt = Date.parse(decided.at);
    // An entry bears the moment at which it was begun to be decided on; it is durable when its file is.
    const written = (
      await stat(join(this.#store, "journal", run, `${String(decided.sequence).padStart(10, "0")}.json`))
    ).mtimeMs;
    const claimedAt = Date.parse(claimed.at);
    const moments = [
      killedAt,
      decidedAt,
      Math.max(written, decidedAt),
      agent,
      claimedAt,
      trainer,
      marks.began,
      marks.connected,
      marks.loaded,
      marks.stepped,
    ];
    return new Map(parts.map((part, index) => [part, (moments[index + 1] ?? 0) - (moments[index] ?? 0)]));
  }

  async #entries(attempt: number): Promise<{ decided: JournalEntry; claimed: JournalEntry }> {
    const journal = openJournal(await openStore(this.#store));
    let decided: JournalEntry | undefined;
    let claimed: JournalEntry | undefined;
    for await (const entry of journal.entries(run)) {
      const lives = entry.state.live.some(({ number }) => number === attempt);
      if (lives && decided === undefined) decided = entry;
      if (lives && entry.event.type === "started") claimed ??= entry;
    }
    if (decided === undefined || claimed === undefined)
      throw new Error(`attempt ${attempt} is not in the journal`);
    return { decided, claimed };
  }

  async #marks(): Promise<Marks[]> {
    const text = await readFile(join(this.#folder, "marks"), "utf8");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const words = line.split(" ");
        const after = (name: string) => Number(words[words.indexOf(name) + 1]);
        const at = (name: string) => after(name) * 1000;
        return {
          attempt: after("attempt"),
          epoch: after("epoch"),
          began: at("began"),
          connected: at("connected"),
          loaded: at("loaded"),
          stepped: at("stepped"),
        };
      });
  }

  /** The processes of the attempt that has trained a step last. */
  async #pids(): Promise<{ agent: number | undefined; trainer: number | undefined; attempt: number }> {
    const attempt = (await this.#marks()).at(-1)?.attempt ?? 0;
    const scratch = join(this.#store, ".internal", "scratch", run);
    const [folder = ""] = (await readdir(scratch)).filter((name) => name.startsWith(`${attempt}-`));
    const pid = async (name: string) =>
      ProcessIdentity.parse(JSON.parse(await readFile(join(scratch, folder, `${name}.json`), "utf8"))).pid;
    return { agent: await pid("agent"), trainer: await pid("trainer"), attempt };
  }

  async end(): Promise<void> {
    const runner = this.#runner;
    if (runner === undefined || runner.exitCode !== null) return;
    const ended = new Promise((resolve) => runner.once("close", resolve));
    runner.kill("SIGINT");
    await ended;
  }
}

/** Finer than `Date.now()`, of the same clock as other processes have. */
export const epochMilliseconds = (): number => performance.timeOrigin + performance.now();

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + patienceMilliseconds;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}
