import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { EpochPlan } from "../../../core/report.ts";
import { protocolVersion, TrainerAnswer, TrainerRequest } from "../../../core/trainer-protocol.ts";
import { type Decider, nextConsultPoint } from "../decider.ts";
import { Clock, type Spent } from "../train.ts";

/** What a decision took, and how many examples were trained before it. */
export interface Decision extends Spent {
  readonly examples: number;
}

/**
 * The agent's side of one run, without attempts, checkpoints and commits: whoever connects is told what the decider says, in
 * Pawl's protocol, so that the trainer runs with the very helper that people use.
 */
export class BenchAgent {
  readonly decisions: Decision[] = [];
  consults = 0;
  readonly #decider: Decider;
  readonly #epochs: number;
  readonly #seed: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #plan: EpochPlan | undefined;
  #epoch = 0;
  /** Examples of the epochs before. */
  #before = 0;
  failure: unknown;

  constructor(decider: Decider, { epochs, seed }: { readonly epochs: number; readonly seed: number }) {
    this.#decider = decider;
    this.#epochs = epochs;
    this.#seed = seed;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      void this.#talk(socket);
    });
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, resolve);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #talk(socket: Socket): Promise<void> {
    try {
      for await (const line of createInterface({ input: socket })) {
        const answer = await this.#answer(TrainerRequest.parse(JSON.parse(line)));
        socket.write(`${JSON.stringify(TrainerAnswer.parse(answer))}\n`);
      }
    } catch (error) {
      this.failure ??= error;
      socket.destroy();
    }
  }

  async #answer(request: TrainerRequest): Promise<TrainerAnswer> {
    switch (request.type) {
      case "hello":
        return {
          type: "welcome",
          protocol: protocolVersion,
          run: "bench-1",
          attempt: 1,
          epochs: this.#epochs,
          seed: this.#seed,
          restored: null,
        };
      case "next": {
        if (this.#epoch === this.#epochs) return { type: "end", reason: "all epochs are trained" };
        this.#epoch += 1;
        this.#plan = await this.#deciding(0, () => this.#decider.plan(this.#epoch));
        // The order of the data is the seed's, whatever the decider has for it.
        return { type: "epoch", plan: { ...this.#plan, seed: this.#seed } };
      }
      case "step":
        return await this.#goOn(request);
      case "report": {
        const { type: _type, seconds = 0, ...said } = request;
        await this.#deciding(said.examples ?? 0, () => this.#decider.report({ ...said, seconds }));
        this.#before += said.examples ?? 0;
        return { type: "ok" };
      }
      default:
        throw new Error(`the benchmark's trainer asks for '${request.type}', which it has no use for`);
    }
  }

  async #goOn({ epoch, step, measured }: Extract<TrainerRequest, { type: "step" }>): Promise<TrainerAnswer> {
    const newest = measured?.stretches.at(-1);
    const steps = newest?.steps ?? 0;
    const ask = (since: number) => ({ seconds: 1e6, step: step + nextConsultPoint(since) - since });
    if (measured === undefined || nextConsultPoint(steps - 1) !== steps)
      return { type: "go-on", ask: ask(steps) };
    const examples = measured.stretches.reduce((sum, stretch) => sum + stretch.examples, 0);
    this.consults += 1;
    const plan = await this.#deciding(examples, () => this.#decider.consult(epoch, measured));
    if (plan === this.#plan) return { type: "go-on", ask: ask(steps) };
    this.#plan = plan;
    const isLaidOutAnew =
      plan.batchSize !== newest?.batchSize || plan.microBatchSize !== newest?.microBatchSize;
    return { type: "go-on", ask: ask(isLaidOutAnew ? 0 : steps), plan: { ...plan, seed: this.#seed } };
  }

  async #deciding<T>(examples: number, ask: () => Promise<T>): Promise<T> {
    const clock = new Clock();
    clock.start();
    const answer = await ask();
    this.decisions.push({ examples: this.#before + examples, ...clock.spent });
    return answer;
  }
}
