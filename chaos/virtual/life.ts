import type { VirtualTime } from "./time.ts";

/** The moment that every world begins at. */
const beginning = Date.UTC(2026, 0, 1);

/**
 * Something that runs somewhere and can be killed at any moment that it waits, as a process can: what it waits for never
 * comes then. All that it waits for goes through here.
 */
export class Life {
  readonly name: string;
  readonly #time: VirtualTime;
  /** By how many seconds its machine's clock is ahead. */
  readonly #skewSeconds: number;
  #alive = true;
  #frozen = false;
  #held: (() => void)[] = [];
  #onEnd: (() => void)[] = [];

  constructor(time: VirtualTime, name: string, skewSeconds = 0) {
    this.#time = time;
    this.name = name;
    this.#skewSeconds = skewSeconds;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** What its machine's clock shows. */
  date(): Date {
    return new Date(beginning + Math.round((this.#time.now + this.#skewSeconds) * 1000));
  }

  moment(): string {
    return this.date().toISOString();
  }

  sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => this.#time.in(seconds, () => this.#goOn(resolve)));
  }

  /** `promise`, as this life sees it. */
  of<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#goOn(() => resolve(value)),
        (error: unknown) => this.#goOn(() => reject(error)),
      );
    });
  }

  /** Calls `act` in so many seconds, if it still lives. */
  in(seconds: number, act: () => void): void {
    this.#time.in(seconds, () => this.#goOn(act));
  }

  /** Ends it here and now: nothing that it has begun goes on. */
  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#held = [];
    for (const act of this.#onEnd.splice(0)) act();
  }

  onEnd(act: () => void): void {
    if (this.#alive) this.#onEnd.push(act);
    else act();
  }

  /** SIGSTOP, or a machine that does not answer. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const act of this.#held.splice(0)) this.#goOn(act);
  }

  #goOn(act: () => void): void {
    if (!this.#alive) return;
    if (this.#frozen) this.#held.push(act);
    else act();
  }
}
