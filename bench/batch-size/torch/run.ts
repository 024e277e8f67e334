import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as z from "zod";
import type { Decider } from "../decider.ts";
import type { Trainer } from "../race.ts";
import type { Course, Evaluation, Spent, Trace } from "../train.ts";
import { BenchAgent, type Decision } from "./agent.ts";

const pawlForPython = fileURLToPath(new URL("../../../python", import.meta.url));

const SpentWire = { cpuSeconds: z.number().min(0), wallSeconds: z.number().min(0) };
export const Said = z.strictObject({
  evaluations: z.array(z.strictObject({ examples: z.int().min(0), ...SpentWire, accuracy: z.number() })),
  spent: z.strictObject(SpentWire),
  steps: z.int().min(1),
  sizes: z.array(z.strictObject({ examples: z.int().min(0), size: z.int().min(1) })),
});
const Answer = z.union([
  Said,
  z.strictObject({ version: z.string() }),
  z.strictObject({ error: z.string() }),
]);

/** A Python that has PyTorch; `undefined` where none has. */
async function pythonWithTorch(): Promise<string | undefined> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const found = await promisify(execFile)(python, ["-c", "import torch"]).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return undefined;
}

/** A Python process that trains digits with PyTorch, a run at a time, each in a child of its own. */
export class TorchTrainer implements Trainer {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #answers: Answers;
  readonly #folder: string;
  #runs = 0;

  private constructor(
    process: ChildProcess,
    answers: Answers,
    { name, folder }: { name: string; folder: string },
  ) {
    this.#process = process;
    this.#answers = answers;
    this.name = name;
    this.#folder = folder;
  }

  /** `undefined` where no Python has PyTorch. */
  static async start(): Promise<TorchTrainer | undefined> {
    const python = await pythonWithTorch();
    if (python === undefined) return undefined;
    const digits = join(dirname(createRequire(import.meta.url).resolve("mnist")), "digits");
    const child = spawn(python, [join(import.meta.dirname, "train.py"), digits], {
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        ...process.env,
        PYTHONPATH: pawlForPython,
        PYTHONDONTWRITEBYTECODE: "1",
        OMP_NUM_THREADS: "1",
      },
    });
    const answers = new Answers(child);
    const first = await answers.next();
    if (!("version" in first)) throw new Error(`the PyTorch trainer began with ${JSON.stringify(first)}`);
    const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
    return new TorchTrainer(child, answers, { name: `PyTorch ${first.version}, one thread`, folder });
  }

  /** One run, as `decider` says. */
  async train(decider: Decider, course: Course): Promise<Trace> {
    const agent = new BenchAgent(decider, course);
    this.#runs += 1;
    const socket = join(this.#folder, `${this.#runs}.sock`);
    await agent.listen(socket);
    try {
      const { seed, evaluateEvery, until } = course;
      this.#process.stdin?.write(`${JSON.stringify({ socket, seed, evaluateEvery, until })}\n`);
      const answer = await this.#answers.next();
      if (agent.failure !== undefined) throw agent.failure;
      if (!("evaluations" in answer)) throw new Error(`the PyTorch trainer said ${JSON.stringify(answer)}`);
      return traced(answer, agent, decider.isFree);
    } finally {
      await agent.close();
    }
  }

  async close(): Promise<void> {
    const ended = once(this.#process, "close");
    this.#process.stdin?.end();
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

class Answers {
  readonly #lines: AsyncIterator<string>;
  #said = "";

  constructor({ stdout, stderr }: ChildProcess) {
    if (stdout === null || stderr === null) throw new Error("the trainer was started without pipes");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    stderr.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-4000);
    });
  }

  async next(): Promise<z.output<typeof Answer>> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`the PyTorch trainer ended:\n${this.#said}`);
    const answer = Answer.parse(JSON.parse(line.value));
    if ("error" in answer) throw new Error(`the PyTorch trainer: ${answer.error}:\n${this.#said}`);
    return answer;
  }
}

/**
 * The trainer's clocks with what the decider took: its processor time was this process's, and its wall time is in the trainer's. Of
 * a free decider neither counts.
 */
export function traced(
  said: z.output<typeof Said>,
  { decisions, consults }: { readonly decisions: readonly Decision[]; readonly consults: number },
  isFree: boolean,
): Trace {
  const upTo = (examples: number, of: keyof Spent): number =>
    decisions.reduce((sum, each) => sum + (each.examples <= examples ? each[of] : 0), 0);
  const corrected = ({ cpuSeconds, wallSeconds }: Spent, examples: number): Spent => ({
    cpuSeconds: cpuSeconds + (isFree ? 0 : upTo(examples, "cpuSeconds")),
    wallSeconds: wallSeconds - (isFree ? upTo(examples, "wallSeconds") : 0),
  });
  const all = Number.POSITIVE_INFINITY;
  const evaluations: Evaluation[] = said.evaluations.map((evaluation) => ({
    ...evaluation,
    // Nothing is trained, and nothing was asked, before the first.
    ...(evaluation.examples === 0 ? {} : corrected(evaluation, evaluation.examples)),
  }));
  return {
    evaluations,
    spent: corrected(said.spent, all),
    decisions: { cpuSeconds: upTo(all, "cpuSeconds"), wallSeconds: upTo(all, "wallSeconds"), consults },
    steps: said.steps,
    sizes: said.sizes,
  };
}
