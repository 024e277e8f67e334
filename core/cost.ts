import * as z from "zod";
import { markets } from "./market.ts";

/** What a run's instances have cost, of the attempts that are over. */
export const Cost = z.strictObject({
  usd: z.number().min(0),
  /** By market, those without a price among them. */
  hours: z.partialRecord(z.enum(markets), z.number().min(0)),
  /** Hours of instances whose price nobody knows: `usd` lacks them. */
  unpricedHours: z.number().min(0).optional(),
  /** Of the newest instance that had a price. */
  usdPerHour: z.number().min(0).optional(),
});
export type Cost = z.infer<typeof Cost>;

/** An amount of money for people: `0.0042 USD`, `1.23 USD`, `120 USD`. */
export const usdWords = (usd: number): string =>
  `${usd !== 0 && usd < 0.1 ? Number(usd.toPrecision(2)) : Number(usd.toFixed(2))} USD`;
