import * as z from "zod";
import { largestSize, Size } from "./size.ts";

/** Where nothing says what to begin with. */
const defaultStart = 32;

/** The largest size, where the job gives none, is so many times the first. */
const defaultRange = 64;

/** What every policy that chooses has in common. */
export const bounds = {
  start: Size.optional().describe("The first size; absent: 32, or the nearest that the bounds allow."),
  min: Size.optional().describe("No smaller size is chosen; absent: the first size."),
  max: Size.optional().describe("No larger size is chosen; absent: 64 times the first size."),
  multipleOf: z
    .int()
    .min(1)
    .max(65_536)
    .default(1)
    .describe("Sizes are multiples of it: 8 for tensor cores, the number of workers, or both."),
  step: z
    .number()
    .min(1.05)
    .max(16)
    .default(2)
    .describe("How far apart the sizes are that are considered, as a factor."),
  growth: z
    .number()
    .min(1)
    .max(1024)
    .default(16)
    .describe(
      "How many times larger it may become within one epoch; where an epoch begins, by a size at least. 1: it grows only there.",
    ),
  hold: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(8)
    .describe("Steps for which a size is held before another is tried."),
};

export const Bounds = z.strictObject(bounds);
export type Bounds = z.output<typeof Bounds>;

/** The sizes in force: with what the job leaves open filled in. */
export interface Range {
  readonly start: number;
  readonly min: number;
  readonly max: number;
}

/** `size` on a multiple: the one below it or itself. */
const below = (size: number, multipleOf: number): number => Math.floor(size / multipleOf) * multipleOf;

/** The one above it or itself. */
const above = (size: number, multipleOf: number): number => Math.ceil(size / multipleOf) * multipleOf;

/** All three are multiples, where the bounds have any. What is left open never leads to a refusal: 32 gives way to the bounds. */
export function rangeOf({ start, min, max, multipleOf }: Bounds): Range {
  const least = above(min ?? 1, multipleOf);
  const most = below(max ?? largestSize, multipleOf);
  const first = start ?? Math.min(most, Math.max(least, above(defaultStart, multipleOf)));
  return {
    start: first,
    min: min === undefined ? first : least,
    max: max === undefined ? Math.max(first, Math.min(most, first * defaultRange)) : most,
  };
}

/** Powers of a step are multiplied up, and so a little off. */
const isWhole = (number: number): boolean => Math.abs(number - Math.round(number)) < 1e-9;

/**
 * `size` made a multiple; one that is no multiple or part of `start` is made one of as large a power of two as its distance from its
 * neighbours allows, since only a size with many divisors has equal parts of any length: 547 has none.
 */
function divisible(size: number, start: number, { multipleOf, step }: Bounds): number {
  const isExact = size < start ? isWhole(size) && isWhole(start / size) : isWhole(size / start);
  let unit = multipleOf;
  while (!isExact && 2 * unit <= (size * Math.min(step - 1, 1)) / 4) unit *= 2;
  return Math.round(size / unit) * unit;
}

/**
 * Every size that is considered, ascending: `start` × powers of `step`, made multiples that divide well, and what the bounds
 * allow at their ends.
 */
export function sizes(given: Bounds): readonly number[] {
  const { start, min, max } = rangeOf(given);
  const { step } = given;
  const found = new Set([min, start, max]);
  const add = (size: number) => {
    const rounded = divisible(size, start, given);
    if (rounded >= min && rounded <= max) found.add(rounded);
  };
  for (let size = start; size <= max; size *= step) add(size);
  for (let size = start / step; size >= min; size /= step) add(size);
  return [...found].sort((a, b) => a - b);
}

/** What of these cannot be, by field; empty where all is well. */
export function boundsProblems(given: Bounds): { readonly field: keyof Bounds; readonly message: string }[] {
  const { start, min, max, multipleOf } = given;
  const found: { field: keyof Bounds; message: string }[] = [];
  const say = (field: keyof Bounds, message: string) => found.push({ field, message });
  if (min !== undefined && max !== undefined && max < min)
    say("max", `must be at least ${min}, which is min`);
  if (start !== undefined && min !== undefined && start < min)
    say("start", `must be at least ${min}, which is min`);
  if (start !== undefined && max !== undefined && start > max)
    say("start", `must be at most ${max}, which is max`);
  if (start !== undefined && start % multipleOf !== 0)
    say("start", `must be a multiple of ${multipleOf} (multipleOf)`);
  const [least, most] = [min ?? 1, max ?? largestSize];
  if (found.length === 0 && below(most, multipleOf) < least)
    say("multipleOf", `must have a multiple from ${least} to ${most} (min to max)`);
  return found;
}
