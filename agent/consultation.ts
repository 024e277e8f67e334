import type { ReviewReply } from "../core/answers.ts";
import type { TrainingJob } from "../core/job.ts";
import { type Measured, maxStretches } from "../core/measured.ts";
import { isAdaptive } from "../core/policies/batch-size/index.ts";
import type { EpochPlan } from "../core/report.ts";
import { heed } from "./heed.ts";

/** Where the policy does not say how long a size is held, in steps. */
const defaultHold = 8;

/** Review is asked again after so long, in seconds, even where a stretch has not doubled. */
const longestGapSeconds = 60;

/**
 * How long training waits for an answer, in milliseconds: an answer at once makes a run the same each time. One that is later is
 * heard at a later step, and the next is not waited for so long.
 */
const patience = { usual: 10_000, onceLate: 2000 };

interface ConsultationContext {
  readonly batchSize: TrainingJob["batchSize"];
  /** Asks how the rest of this epoch is to be trained. */
  readonly ask: (step: number, measured: Measured) => Promise<ReviewReply>;
}

/** An epoch as it is trained, and what was measured of it so far. */
interface Seen {
  readonly plan: EpochPlan;
  readonly measured: Measured;
}

/**
 * Asks Review in the middle of an epoch whether its rest is to be trained otherwise: after a stretch's first steps, then each time
 * that it is twice as long, or a minute has passed.
 */
export class Consultation {
  readonly #context: ConsultationContext;
  /** Steps of the newest stretch after which to ask, and how many stretches there were then. */
  #at: number;
  #stretches = 0;
  #askedAt = performance.now();
  #patience = patience.usual;
  /** An answer that is not here yet, and the epoch that it is of. */
  #awaited: { readonly epoch: number; readonly reply: Promise<ReviewReply> } | undefined;

  constructor(context: ConsultationContext) {
    this.#context = context;
    this.#at = this.hold;
  }

  /** An epoch begins: what was asked of another one is of no use any more. */
  begin(): void {
    this.#at = this.hold;
    this.#stretches = 0;
    this.#askedAt = performance.now();
    this.#awaited = undefined;
  }

  /** How the rest of the epoch is to be trained, where that is known to be otherwise. Throws as Review does. */
  async plan({ plan, step, measured }: Seen & { readonly step: number }): Promise<EpochPlan | undefined> {
    this.#follow(measured);
    const isLate = this.#awaited !== undefined;
    if (this.#awaited === undefined) {
      if (!this.#isDue({ plan, measured })) return undefined;
      const reply = this.#context.ask(step, measured);
      reply.catch(() => {});
      this.#awaited = { epoch: plan.epoch, reply };
      this.#askedAt = performance.now();
      this.#at = Math.max(this.#at * 2, this.#steps(measured) + 1);
    }
    const { epoch, reply } = this.#awaited;
    const answered = await within(isLate ? 0 : this.#patience, reply);
    if (!isLate) this.#patience = answered === undefined ? patience.onceLate : patience.usual;
    if (answered === undefined) return undefined;
    this.#awaited = undefined;
    const { answer } = answered;
    heed(answer);
    return answer.action === "train" && answer.plan.epoch === plan.epoch && epoch === plan.epoch
      ? answer.plan
      : undefined;
  }

  /** After how many steps from now on Review is to be asked; `undefined` where it is not. */
  stepsTo({ plan, measured }: Seen): number | undefined {
    if (this.#awaited !== undefined) return undefined;
    return this.#isOpen({ plan, measured }) ? Math.max(1, this.#at - this.#steps(measured)) : undefined;
  }

  /** Steps of a stretch before it is asked about. */
  get hold(): number {
    const { batchSize } = this.#context;
    return batchSize !== undefined && "hold" in batchSize ? batchSize.hold : defaultHold;
  }

  /** A stretch that is new is asked about from its beginning. */
  #follow({ stretches }: Measured): void {
    if (stretches.length === this.#stretches) return;
    this.#stretches = stretches.length;
    this.#at = this.hold;
  }

  #isDue({ plan, measured }: Seen): boolean {
    const steps = this.#steps(measured);
    if (steps < this.hold || !this.#isOpen({ plan, measured })) return false;
    return steps >= this.#at || performance.now() - this.#askedAt >= longestGapSeconds * 1000;
  }

  /** Whether anything can change between two steps. */
  #isOpen({ plan, measured: { resizes, stretches } }: Seen): boolean {
    if (!resizes || plan.measure === undefined || stretches.length >= maxStretches) return false;
    const { batchSize } = this.#context;
    if (batchSize === undefined) return stretches.some(({ norms }) => norms !== undefined);
    // A plateau is of a metric, which the end of an epoch has.
    return isAdaptive(batchSize) && batchSize.policy !== "plateau";
  }

  #steps({ stretches }: Measured): number {
    return stretches.at(-1)?.steps ?? 0;
  }
}

/** What `reply` is, if it is there in time. */
async function within(milliseconds: number, reply: Promise<ReviewReply>): Promise<ReviewReply | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return await Promise.race([reply, late]).finally(() => clearTimeout(timer));
}
