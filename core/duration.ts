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

const unitMebibytes = { MiB: 1, GiB: 1024 } as const;

const memoryForm = { error: "must be a size such as 512MiB or 14GiB" };

/** An amount of memory as people write it (`512MiB`, `14GiB`), given on as whole mebibytes. */
export const Memory = z
  .string(memoryForm)
  .regex(/^\d+(MiB|GiB)$/, memoryForm)
  .transform((text) => Number.parseInt(text, 10) * unitMebibytes[text.endsWith("GiB") ? "GiB" : "MiB"]);
