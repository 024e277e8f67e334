import { Dice } from "../../core/testing/dice.ts";

/** Times between failures with mean 1, from a uniform draw in (0, 1). */
const processes = {
  exponential: (uniform: number): number => -Math.log(uniform),
  // Shape 0.7, a falling hazard as in failures of real machines (Schroeder and Gibson, DSN 2006: 0.7 to 0.8). The mean of a
  // Weibull distribution is its scale times Γ(1 + 1/0.7) = 1.26582…
  weibull: (uniform: number): number => (-Math.log(uniform)) ** (1 / 0.7) / 1.265_823_506_057_283_3,
} as const;

export type Process = keyof typeof processes;

const draw = (dice: Dice): number => (dice.pick(2 ** 32) + 0.5) / 2 ** 32;

/** How long each instance of one history lives, in units of the mean. The same for everybody who asks. */
export class FailureHistory {
  readonly #process: Process;
  readonly #dice: Dice;
  readonly #lives: number[] = [];

  constructor(process: Process, seed: number) {
    this.#process = process;
    this.#dice = new Dice(seed);
  }

  life(instance: number): number {
    while (this.#lives.length <= instance) this.#lives.push(processes[this.#process](draw(this.#dice)));
    return this.#lives[instance] ?? 0;
  }
}

/** What each save of a history takes, as a factor of the usual time: 0.75 to 1.25. */
export function saveFactors(seed: number): () => number {
  const dice = new Dice(seed);
  return () => 0.75 + draw(dice) / 2;
}
