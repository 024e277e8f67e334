import * as z from "zod";

/** How an instance is paid for. */
export const Market = z.enum(["spot", "on-demand"]);
export type Market = z.infer<typeof Market>;
