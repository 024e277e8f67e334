import { setImmediate as nextTurn } from "node:timers/promises";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** Files are still being read or written, by what a handler or a save has begun. */
const filesAreBusy = (): boolean => process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"));

/**
 * A clock that stands still while anything works, and jumps to what is due next once all wait for it. Nothing in a world may
 * wait for a real timer: it would never be seen to work.
 */
export class VirtualTime {
  /** In seconds. */
  now = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  /** Calls `act` in so many seconds. */
  in(seconds: number, act: () => void): void {
    this.#order += 1;
    this.#push({ at: this.now + Math.max(0, seconds), order: this.#order, act });
  }

  /** Lets the next thing happen, and waits until everything waits again; `false` where nothing is due. */
  async advance(): Promise<boolean> {
    const due = this.#pop();
    if (due === undefined) return false;
    this.now = Math.max(this.now, due.at);
    due.act();
    await this.settle();
    return true;
  }

  async settle(): Promise<void> {
    do await nextTurn();
    while (filesAreBusy());
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || earlier(parent, due)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = due;
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const least = right !== undefined && left !== undefined && earlier(right, left) ? right : left;
      if (least === undefined || earlier(last, least)) break;
      heap[at] = least;
      at = least === left ? 2 * at + 1 : 2 * at + 2;
    }
    heap[at] = last;
    return first;
  }
}

const earlier = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
