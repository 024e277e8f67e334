import type { Instance, Price, PriceList } from "./instance.ts";
import { instanceTypes, spotShare } from "./instance-types.ts";

/**
 * What an hour of `instance` costs: as given; else, on spot, what it said that spot costs now; else by the dated table,
 * or by the on-demand price that is given, of which spot is reckoned a share. `undefined` for a type that nobody knows a
 * price of.
 */
export function priceOf(
  { type, market, spotUsdPerHour }: Pick<Instance, "type" | "market" | "spotUsdPerHour">,
  given: PriceList = {},
): Price | undefined {
  const own = given[type]?.[market];
  if (own !== undefined) return { usdPerHour: own, from: "given" };
  if (market === "spot" && spotUsdPerHour !== undefined)
    return { usdPerHour: spotUsdPerHour, from: "spot-history" };
  const share = market === "spot" ? spotShare : 1;
  const onDemand = given[type]?.["on-demand"];
  if (onDemand !== undefined) return { usdPerHour: onDemand * share, from: "given" };
  const listed = instanceTypes[type]?.usdPerHour;
  return listed === undefined ? undefined : { usdPerHour: listed * share, from: "table" };
}
