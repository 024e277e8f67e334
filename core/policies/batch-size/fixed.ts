import * as z from "zod";
import type { Rule } from "./policy.ts";
import { Size } from "./size.ts";

export const Fixed = z.strictObject({
  policy: z.literal("fixed"),
  size: Size.describe("The same in all epochs."),
});

export const fixed: Rule<z.output<typeof Fixed>> = ({ size }) => ({
  size,
  reason: `batch size ${size}, fixed`,
});
