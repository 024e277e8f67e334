import * as z from "zod";

export const largestSize = 1_048_576;

/** Examples in a step of the optimizer. */
export const Size = z.int().min(1).max(largestSize);
