import * as z from "zod";

const unitSeconds = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86_400 } as const;

const durationForm = { error: "must be a duration such as 30s, 5min or 2h" };

/** A duration as people write it (`90s`, `1.5h`, `250ms`), given on as seconds. */
export const Duration = z
  .string(durationForm)
  .regex(/^\d+(\.\d+)?(ms|s|min|h|d)$/, durationForm)
  .transform((text) => {
    const unit = (text.match(/[a-z]+$/)?.[0] ?? "s") as keyof typeof unitSeconds;
    // To the millisecond, so that 1.1h and 66min are the same.
    return Math.round(Number.parseFloat(text) * unitSeconds[unit] * 1000) / 1000;
  });

/** Seconds from one moment (ISO 8601) to a later one; 0 where it is not later. */
export const secondsBetween = (from: string, to: string): number =>
  Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);

/** A length of time for people: `350 ms`, `8.2 s`, `3 min 10 s`, `2 h 5 min`. */
export function durationWords(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const unitMebibytes = { MiB: 1, GiB: 1024 } as const;

const memoryForm = { error: "must be a size such as 512MiB or 14GiB" };

/** An amount of memory as people write it (`512MiB`, `14GiB`), given on as whole mebibytes. */
export const Memory = z
  .string(memoryForm)
  .regex(/^\d+(MiB|GiB)$/, memoryForm)
  .transform((text) => Number.parseInt(text, 10) * unitMebibytes[text.endsWith("GiB") ? "GiB" : "MiB"]);
