/** Numbers that follow from a seed and from what they are for: what one part of a world draws does not move the others. */
export class Chance {
  readonly #seed: number;
  readonly #drawn = new Map<string, number>();

  constructor(seed: string) {
    this.#seed = digest(seed, 0x811c9dc5);
  }

  /** In [0, 1); the next one for `what`. */
  number(what: string): number {
    const count = (this.#drawn.get(what) ?? 0) + 1;
    this.#drawn.set(what, count);
    return mixed(digest(`${what}#${count}`, this.#seed)) / 0x1_0000_0000;
  }

  /** True with the given probability. */
  happens(what: string, probability: number): boolean {
    return probability > 0 && this.number(what) < probability;
  }

  /** From `least` up to `most`. */
  between(what: string, least: number, most: number): number {
    return least + this.number(what) * (most - least);
  }

  /** A whole number from `least` to `most`, both included. */
  whole(what: string, least: number, most: number): number {
    return least + Math.floor(this.number(what) * (most - least + 1));
  }

  of<const Items extends readonly [unknown, ...unknown[]]>(what: string, items: Items): Items[number] {
    return items[Math.floor(this.number(what) * items.length)] ?? items[0];
  }

  /** One of `items`, each as often as its weight says. */
  weighted<Item>(what: string, items: readonly Item[], weightOf: (item: Item) => number): Item {
    let left = this.number(what) * items.reduce((sum, item) => sum + weightOf(item), 0);
    for (const item of items) {
      left -= weightOf(item);
      if (left < 0) return item;
    }
    const last = items.at(-1);
    if (last === undefined) throw new RangeError(`there is nothing to draw for ${what}`);
    return last;
  }

  /** Waiting times of what comes without memory, `mean` apart. */
  exponential(what: string, mean: number): number {
    return -mean * Math.log(1 - this.number(what));
  }
}

/** FNV-1a (Fowler, Noll, Vo). */
function digest(text: string, from: number): number {
  let sum = from;
  for (let at = 0; at < text.length; at += 1) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193);
  return sum >>> 0;
}

/** The finalizer of MurmurHash3 (Austin Appleby). */
function mixed(value: number): number {
  let mix = value;
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
