import type { Dice } from "./dice.ts";

const range = 2 ** 32;

/** A number from 0 to 1, neither of them. */
const uniform = (dice: Dice): number => (dice.pick(range) + 0.5) / range;

/** A number of the normal distribution with mean 0 and variance 1 (Box and Muller, 1958). */
export const normal = (dice: Dice): number =>
  Math.sqrt(-2 * Math.log(uniform(dice))) * Math.cos(2 * Math.PI * uniform(dice));
