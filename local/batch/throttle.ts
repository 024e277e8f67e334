/** Refuses so many submissions, as an account does that has asked for too much. */
export class Throttle {
  #left = 0;

  /** The next `count` submissions are refused. */
  next(count: number): void {
    this.#left = count;
  }

  /** Whether this submission is refused. */
  refuses(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}

export const tooManyRequests = { code: "TooManyRequestsException", message: "Too Many Requests" } as const;
