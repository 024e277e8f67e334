import { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { PriceList } from "../core/instance.ts";
import { type Market, markets } from "../core/market.ts";

// On the command line (`-c key=value`) every value is a text; in cdk.json it may be anything.

const refuse = (key: string, value: unknown, allowed: string): never => {
  const shown = typeof value === "string" ? `'${value}'` : JSON.stringify(value);
  throw new RangeError(`context '${key}' is ${shown}: it must be ${allowed}`);
};

export const checkedText =
  (pattern: RegExp, allowed: string) =>
  (value: unknown, key: string): string =>
    typeof value === "string" && pattern.test(value) ? value : refuse(key, value, allowed);

export const checkedNumber =
  (least: number, most: number) =>
  (value: unknown, key: string): number => {
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
    return typeof number === "number" && Number.isSafeInteger(number) && number >= least && number <= most
      ? number
      : refuse(key, value, `a whole number from ${least} to ${most}`);
  };

export function checkedFlag(value: unknown, key: string): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  return refuse(key, value, "true or false");
}

export function checkedList(value: unknown, key: string): string[] {
  const allowed = "a list of names, or names joined by commas";
  const items: unknown[] = typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [];
  const names = items.flatMap((item) =>
    typeof item === "string" && item.trim() !== "" ? [item.trim()] : [],
  );
  return names.length > 0 && names.length === items.length ? names : refuse(key, value, allowed);
}

export function checkedMemory(value: unknown, key: string): number {
  const [, digits, unit] = typeof value === "string" ? (/^([1-9]\d{0,6})(MiB|GiB)$/.exec(value) ?? []) : [];
  return digits === undefined
    ? refuse(key, value, "a size such as 512MiB or 8GiB")
    : Number(digits) * (unit === "GiB" ? 1024 : 1);
}

export function checkedLogDays(value: unknown, key: string): RetentionDays {
  const known = Object.values(RetentionDays).filter(
    (days): days is RetentionDays => typeof days === "number" && days !== RetentionDays.INFINITE,
  );
  const found = known.find((days) => String(days) === String(value));
  return found ?? refuse(key, value, `one of ${known.join(", ")}`);
}

/** By name; what a name and an address may be is for the construct to say. */
export function checkedImageNames(value: unknown, key: string): Record<string, string> {
  const allowed = '{"name": "address", …} or name=address,name2=address2';
  const entries =
    typeof value === "string" && !value.trimStart().startsWith("{")
      ? value.split(",").map((part): [string, unknown] => {
          const at = part.indexOf("=");
          return at < 0 ? [part, undefined] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
        })
      : Object.entries(asObject(value) ?? refuse(key, value, allowed));
  const images = new Map<string, string>();
  for (const [name, address] of entries) {
    if (typeof address !== "string" || address === "" || images.has(name)) return refuse(key, value, allowed);
    images.set(name, address);
  }
  return Object.fromEntries(images);
}

export function checkedPrices(value: unknown, key: string): PriceList {
  const allowed = `USD an hour by type and market, such as {"g5.xlarge": {"spot": 0.4, "on-demand": 1.1}}`;
  const prices: Record<string, Partial<Record<Market, number>>> = {};
  for (const [type, byMarket] of Object.entries(asObject(value) ?? refuse(key, value, allowed))) {
    const given: Partial<Record<Market, number>> = {};
    for (const [name, usd] of Object.entries(asObject(byMarket) ?? refuse(key, value, allowed))) {
      const market = markets.find((known) => known === name);
      if (market === undefined || typeof usd !== "number" || !Number.isFinite(usd) || usd < 0)
        return refuse(key, value, allowed);
      given[market] = usd;
    }
    prices[type] = given;
  }
  return prices;
}

/** As it is, or from JSON. */
function asObject(value: unknown): object | undefined {
  try {
    const parsed: unknown = typeof value === "string" ? JSON.parse(value) : value;
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
