import * as z from "zod";

/** A metric as JSON can carry it: what is not finite travels as a word. */
export const MetricValue = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);
export type MetricValue = z.infer<typeof MetricValue>;
