import { readFile } from "node:fs/promises";
import * as z from "zod";

/** A real signal, and what it is of. */
const Entry = z.object({
  id: z.string(),
  class: z.string(),
  /** Which field it was found in. */
  where: z.enum([
    "log-line",
    "batch.statusReason",
    "batch.container.reason",
    "batch.attempts[].statusReason",
    "exitCode",
    "full-cause-json",
    "sfn.error+cause",
  ]),
  signal: z.string(),
  exitCode: z.int().nullish(),
  source: z.string(),
});
export type Entry = z.infer<typeof Entry>;

export const readEntries = async (path: string | URL): Promise<Entry[]> =>
  z.array(Entry).parse(JSON.parse(await readFile(path, "utf8")));

/** A value that was quoted with its field's name. */
const bare = (signal: string): string => /^"StatusReason": "(.*)"$/s.exec(signal)?.[1] ?? signal;

/**
 * What a person would give to `pawl diagnose` who has it. A field of Batch comes as part of the job's description; all
 * else comes as it stands, and nothing tells which kind it is.
 */
export function textOf({ where, signal, exitCode }: Entry): string {
  const code = typeof exitCode === "number" ? { exitCode } : {};
  switch (where) {
    case "batch.statusReason":
      return JSON.stringify({ status: "FAILED", statusReason: bare(signal), container: code });
    case "batch.container.reason":
      return JSON.stringify({ status: "FAILED", container: { ...code, reason: signal } });
    case "batch.attempts[].statusReason": {
      const quoted = [...signal.matchAll(/"([^"\n]+)"/g)].map(([, reason]) => ({ statusReason: reason }));
      return JSON.stringify({ attempts: quoted.length > 0 ? quoted : [{ statusReason: signal }] });
    }
    default:
      return signal;
  }
}
