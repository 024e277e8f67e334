import * as z from "zod";
import { defaultLimits } from "../core/decision.ts";
import { policyOf } from "../core/decisions/plan.ts";
import { exitCodes } from "../core/errors.ts";
import { TrainingJob } from "../core/job.ts";
import type { JournalEntry } from "../core/journal-entry.ts";
import { BatchSizePolicy } from "../core/policies/batch-size/index.ts";
import { type PolicyRow, type ReplayedEntry, replay, replayPolicy } from "../core/replay.ts";
import type { Progress } from "../core/run-state.ts";
import { readHead } from "../lambdas/journalled.ts";
import { type Journal, openJournal } from "../store/journal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { CommandRun } from "./commands.ts";
import { readPolicy } from "./replay-policy.ts";
import { replayWords } from "./replay-words.ts";
import { checkRunName, openStoreToRead, runNotFound } from "./runs.ts";

const Decided = z.strictObject({ kind: z.string(), reason: z.string() });

/** What `replay --json` prints. */
export const ReplayedRun = z.strictObject({
  run: z.string(),
  /** Of the journal; with `policy`, of those on the batch size, and how many of them the other policy would have taken too. */
  decisions: z.strictObject({ count: z.int(), same: z.int() }),
  /** Those that come out otherwise now. Without `policy`. */
  differing: z
    .array(
      z.strictObject({
        /** The decision's number in the journal. */
        sequence: z.int(),
        at: z.string(),
        ...Decided.shape,
        /** What is different: `nothing` where it would not be decided at all. */
        differs: z.array(z.enum(["nothing", "kind", "reason", "state"])),
        /** What is decided now, where that is another kind or reason. */
        again: Decided.optional(),
      }),
    )
    .optional(),
  /** The policy that was asked about, with its defaults. */
  policy: BatchSizePolicy.optional(),
  /** Whether anything was measured that a batch size can follow. */
  measured: z.boolean(),
  /** Each decision on the batch size, oldest first. */
  batchSizes: z.array(
    z.strictObject({
      sequence: z.int(),
      at: z.string(),
      epoch: z.int(),
      /** It holds after so many steps of that epoch; 0 from its beginning. */
      step: z.int(),
      /** Absent where it was left to the trainer. */
      size: z.int().optional(),
      reason: z.string(),
      /** In examples. */
      noiseScale: z.number().optional(),
      predictedGain: z.number().optional(),
      /** What `policy` would have chosen, and why. */
      other: z.strictObject({ size: z.int(), reason: z.string() }).optional(),
    }),
  ),
});
export type ReplayedRun = z.infer<typeof ReplayedRun>;

/** `pawl replay <name>`. */
export const replayRun: CommandRun = async ({ args, options, console }) => {
  const run = args[0] ?? "";
  const store = await openStoreToRead(options, run);
  const journal = openJournal(store);
  const entries = await readEntries(journal, run, store);
  const last = entries.at(-1);
  const head = last && (await readHead({ journal }, run, last.sequence));
  if (last === undefined || head === undefined) throw await runNotFound(journal, run, store.address);
  const own = policyOf(TrainingJob.parse(head.job), last.state.progress);
  const other = typeof options.policy === "string" ? readPolicy(options.policy, head.job, own) : undefined;
  const measured = entries.some(({ state }) => isTold(state.progress));
  const shown = other ?? own;
  const rows = shown === undefined ? [] : replayPolicy(entries, shown);
  const replayed = other === undefined ? replay(entries, defaultLimits) : undefined;
  const result = resultOf({ run, rows, replayed, other, measured });
  if (options.json === true) console.out(JSON.stringify(result));
  else console.out(replayWords(result, own, options.all === true));
  return other === undefined && result.decisions.same < result.decisions.count
    ? exitCodes.toolError
    : exitCodes.done;
};

/** Whether there is anything that a batch size can follow. */
const isTold = ({ batch }: Progress): boolean =>
  batch !== undefined && (batch.noise !== undefined || Object.keys(batch.timings).length > 0);

/** Throws RUN_NOT_FOUND. */
async function readEntries(journal: Journal, run: string, store: ObjectStore): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of journal.entries(checkRunName(run))) entries.push(entry);
  if (entries.length === 0) throw await runNotFound(journal, run, store.address);
  return entries;
}

interface Found {
  readonly run: string;
  readonly rows: readonly PolicyRow[];
  readonly replayed: readonly ReplayedEntry[] | undefined;
  readonly other: BatchSizePolicy | undefined;
  readonly measured: boolean;
}

function resultOf({ run, rows, replayed, other, measured }: Found): ReplayedRun {
  const batchSizes = rows.map((row) => {
    const { otherSize, otherReason, ...decided } = row;
    return {
      ...decided,
      ...(other === undefined ? {} : { other: { size: otherSize, reason: otherReason } }),
    };
  });
  if (replayed === undefined) {
    const same = rows.filter(({ size, otherSize }) => size === otherSize).length;
    return { run, decisions: { count: rows.length, same }, policy: other, measured, batchSizes };
  }
  const differing = replayed
    .filter(({ differs }) => differs.length > 0)
    .map(({ event: _event, differs, ...entry }) => ({ ...entry, differs: [...differs] }));
  const decisions = { count: replayed.length, same: replayed.length - differing.length };
  return { run, decisions, differing, measured, batchSizes };
}
