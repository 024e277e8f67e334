import { AttemptError } from "./attempt-error.ts";

/**
 * Why and until when the attempt is to leave, if it is. Asked by signals, by a spot notice, and by errors that nobody
 * waited for; heeded by whatever is under way.
 */
export class Departure {
  readonly #asked = new AbortController();
  readonly #atOnce = new AbortController();
  #deadline: number | undefined;
  #rebalance = false;

  /** Aborts with the first AttemptError that was asked with. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** Aborts when nothing may be begun any more, however much time is left. */
  get atOnce(): AbortSignal {
    return this.#atOnce.signal;
  }

  /** Until the machine is lost; infinite while nobody has said so. */
  get secondsLeft(): number {
    return this.#deadline === undefined
      ? Number.POSITIVE_INFINITY
      : (this.#deadline - performance.now()) / 1000;
  }

  /**
   * Asks to leave. With `seconds`, the machine lives on for so long, and what fits in may still be saved; without, the
   * attempt leaves at once. The first error is the one that is told, the nearest deadline the one that counts.
   */
  ask(error: AttemptError, seconds?: number): void {
    if (seconds === undefined) this.#atOnce.abort();
    else
      this.#deadline = Math.min(
        this.#deadline ?? Number.POSITIVE_INFINITY,
        performance.now() + seconds * 1000,
      );
    this.#asked.abort(error);
  }

  /** The machine is likelier than others to be reclaimed: training goes on, from a checkpoint that is taken now. */
  recommendSaving(): void {
    this.#rebalance = true;
  }

  get savingRecommended(): boolean {
    return this.#rebalance;
  }

  /** Whoever saves now has done what was recommended. */
  saved(): void {
    this.#rebalance = false;
  }
}

/**
 * What an attempt ends with that was asked to leave before `error` came: a machine that is taken away can make anything
 * fail, and nobody is to blame for that. Not so where its training is of no use, or its place is another's.
 */
export function afterAll(error: AttemptError, asked: AttemptError): AttemptError {
  const own = error.result === asked.result || ["left", "numeric"].includes(error.result);
  return own
    ? error
    : new AttemptError(asked.result, `${asked.message}; meanwhile: ${error.message}`, asked.more);
}

/** Rejects when `signal` aborts, with its reason. */
export function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}
