import {
  beginPulse,
  type LifeSign,
  observe,
  type Pulse,
  type PulseStart,
  type Stall,
  type StallPolicy,
  stalled,
} from "../core/policies/stall.ts";

/** Far more often than a limit could need; a look costs nothing. */
const lookEveryMilliseconds = 1000;

/** Of the time between two looks, no more than this counts: in the rest this process stood still, and the trainer may have. */
const mostSeconds = 2;

/** Looks for signs of life of a trainer, and tells when there has been none for too long. */
export class StallWatch {
  readonly #policy: StallPolicy;
  readonly #start: PulseStart;
  #pulse: Pulse | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** In seconds: one clock tells when something is observed, the other how long this process has run since the first. */
  #observedAt = performance.now() / 1000;
  #clock = 0;
  readonly #stall = Promise.withResolvers<Stall>();

  constructor(policy: StallPolicy, start: PulseStart) {
    this.#policy = policy;
    this.#start = start;
  }

  /** Settles when the trainer has been silent for too long, and never where that does not happen. */
  get stall(): Promise<Stall> {
    return this.#stall.promise;
  }

  /** A trainer is started. */
  begin(): void {
    this.#pulse ??= beginPulse(this.#now(), this.#start);
    this.#timer ??= setInterval(() => this.#look(), lookEveryMilliseconds);
  }

  observe(sign: LifeSign): void {
    if (this.#pulse !== undefined) this.#pulse = observe(this.#pulse, sign, this.#now());
  }

  /** Where the limit comes from, in words. */
  get limitOrigin(): string {
    const { stepping = false, epochs = 0 } = this.#pulse ?? {};
    if (!stepping && epochs === 0) return "stall.start in the job";
    if (this.#policy.limitSeconds !== "auto") return "stall.limit in the job";
    return `learned from its ${stepping ? "steps" : "epochs"}`;
  }

  /** Looks no more. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #now(): number {
    const at = performance.now() / 1000;
    this.#clock += Math.min(mostSeconds, at - this.#observedAt);
    this.#observedAt = at;
    return this.#clock;
  }

  #look(): void {
    this.observe("watch");
    const stall = this.#pulse === undefined ? undefined : stalled(this.#policy, this.#pulse);
    if (stall === undefined) return;
    this.end();
    this.#stall.resolve(stall);
  }
}
