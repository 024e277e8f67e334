import { warmUpAt } from "../../core/decisions/warm-up.ts";
import { order } from "../../trainer/order.ts";
import type { Norms } from "../../trainer/stretch.ts";
import { type Decider, nextConsultPoint } from "./decider.ts";
import { Stretches } from "./stretches.ts";

/** What is trained: a model, its optimizer and its data. */
export interface Learner {
  /** How many examples an epoch has. */
  readonly examples: number;
  /**
   * One step of the optimizer on `batch`, through the model in parts of at most `micro` examples. Norms where there are
   * two parts or more and `norms` asks for them.
   */
  step(
    batch: Uint32Array,
    how: { readonly micro: number; readonly learningRateScale: number; readonly norms: boolean },
  ): { readonly loss: number; readonly norms?: Norms | undefined };
  /** The share of the test examples that are right. */
  accuracy(): number;
  close(): void;
}

/** What training took, decisions and measuring among it, without evaluations. */
export interface Spent {
  /** Of processor time, by all threads of the process: what others do on the machine does not count. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

/** A point of a run: what was trained up to there, and how good it is. */
export interface Evaluation extends Spent {
  readonly examples: number;
  readonly accuracy: number;
}

export interface Trace {
  readonly evaluations: readonly Evaluation[];
  /** Of the whole run. */
  readonly spent: Spent;
  /** What of it the decider took, and how often it was asked within epochs. */
  readonly decisions: Spent & { readonly consults: number };
  readonly steps: number;
  /** Every size, and the examples before its first step. */
  readonly sizes: readonly { readonly examples: number; readonly size: number }[];
}

export interface Course {
  readonly seed: number;
  readonly epochs: number;
  /** How many examples lie between two evaluations. */
  readonly evaluateEvery: number;
  /** It ends where this accuracy is reached; absent: after all epochs. */
  readonly until?: number | undefined;
}

/** Trains `learner` as `decider` says, and looks at it on the way. */
export async function train(learner: Learner, decider: Decider, course: Course): Promise<Trace> {
  const clock = new Clock();
  const decisions = new Clock();
  const evaluations: Evaluation[] = [{ examples: 0, ...clock.spent, accuracy: learner.accuracy() }];
  const sizes: { examples: number; size: number }[] = [];
  let [steps, consults, before] = [0, 0, 0];
  const deciding = async <T>(ask: () => Promise<T>): Promise<T> => {
    decisions.start();
    if (decider.isFree) clock.stop();
    const answer = await ask();
    clock.start();
    decisions.stop();
    return answer;
  };
  training: for (let epoch = 1; epoch <= course.epochs; epoch += 1) {
    clock.start();
    const began = clock.spent.wallSeconds;
    let plan = await deciding(() => decider.plan(epoch));
    let since = 0;
    const stretches = new Stretches(plan);
    const indices = order(course.seed, epoch, learner.examples);
    let loss = 0;
    for (let at = 0; at < indices.length; ) {
      const { batchSize = 1, microBatchSize = batchSize } = plan;
      if (sizes.at(-1)?.size !== batchSize) sizes.push({ examples: before + at, size: batchSize });
      const stepBegan = performance.now();
      const batch = indices.subarray(at, at + batchSize);
      const norms = batch.length === batchSize && batchSize > 1 && stretches.normsDue;
      // A batch in one piece is measured in two halves.
      const isHalved = norms && microBatchSize === batchSize;
      const stepped = learner.step(batch, {
        micro: isHalved ? Math.ceil(batchSize / 2) : microBatchSize,
        learningRateScale: warmUpAt(plan, since),
        norms,
      });
      loss += stepped.loss * batch.length;
      at += batch.length;
      since += 1;
      steps += 1;
      stretches.stepped(batch.length, (performance.now() - stepBegan) / 1000, isHalved, stepped.norms);
      const { steps: alike } = stretches;
      if (nextConsultPoint(alike - 1) === alike && at < indices.length) {
        const inForce = plan;
        plan = await deciding(() => decider.consult(epoch, stretches.measured()));
        consults += 1;
        if (plan !== inForce) since = 0;
        stretches.relaid(plan);
      }
      if (isDue(before + at, evaluations, course)) {
        clock.stop();
        const accuracy = learner.accuracy();
        evaluations.push({ examples: before + at, ...clock.spent, accuracy });
        if (course.until !== undefined && accuracy >= course.until) break training;
        clock.start();
      }
    }
    before += indices.length;
    await deciding(() =>
      decider.report({
        epoch,
        metrics: { loss: Number.isFinite(loss) ? loss / indices.length : "NaN" },
        examples: indices.length,
        seconds: clock.spent.wallSeconds - began,
        ...(plan.measure === undefined ? {} : { measured: stretches.measured() }),
      }),
    );
    clock.stop();
  }
  return {
    evaluations,
    spent: clock.spent,
    decisions: { ...decisions.spent, consults },
    steps,
    sizes,
  };
}

/** Whether a multiple of `evaluateEvery` examples was passed since the newest evaluation. */
function isDue(examples: number, evaluations: readonly Evaluation[], { evaluateEvery }: Course): boolean {
  const last = evaluations.at(-1)?.examples ?? 0;
  return Math.floor(examples / evaluateEvery) > Math.floor(last / evaluateEvery);
}

/** Adds up what passes between its starts and its stops. */
export class Clock {
  #before: Spent = { cpuSeconds: 0, wallSeconds: 0 };
  #started: Spent | undefined;

  start(): void {
    this.#started ??= now();
  }

  stop(): void {
    this.#before = this.spent;
    this.#started = undefined;
  }

  get spent(): Spent {
    const [{ cpuSeconds, wallSeconds }, began] = [this.#before, this.#started];
    if (began === undefined) return this.#before;
    const at = now();
    return {
      cpuSeconds: cpuSeconds + at.cpuSeconds - began.cpuSeconds,
      wallSeconds: wallSeconds + at.wallSeconds - began.wallSeconds,
    };
  }
}

function now(): Spent {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1_000_000, wallSeconds: performance.now() / 1000 };
}
