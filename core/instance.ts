import * as z from "zod";
import { markets } from "./market.ts";

/** The EC2 instance that an attempt runs on, as it is told about itself. */
export const Instance = z.strictObject({
  id: z.string().min(1).max(50),
  /** `g5.xlarge` */
  type: z.string().min(3).max(50),
  /** `eu-west-1a` */
  zone: z.string().min(1).max(50),
  market: z.enum(markets),
  /** For how many seconds it had been up when the attempt began: it is paid for from its start on. */
  upSeconds: z.number().min(0),
  /** What it costs on spot now, where the attempt may ask. */
  spotUsdPerHour: z.number().min(0).optional(),
});
export type Instance = z.infer<typeof Instance>;

/** What an hour of an instance costs, and where that is known from. */
export const Price = z.strictObject({
  usdPerHour: z.number().min(0),
  from: z.enum(["given", "spot-history", "table"]),
});
export type Price = z.infer<typeof Price>;

/** Prices that somebody gives, in USD an hour, by type and market: they go before all others. */
export const PriceList = z.record(z.string(), z.partialRecord(z.enum(markets), z.number().min(0)));
export type PriceList = z.infer<typeof PriceList>;
