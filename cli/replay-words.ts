import type { BatchSizePolicy } from "../core/policies/batch-size/index.ts";
import { gainWords, noiseWords, policyWords, whenWords } from "./batch-words.ts";
import { oneLine } from "./failure-words.ts";
import { count, table } from "./format.ts";
import type { ReplayedRun } from "./replay.ts";

/** How many decisions on the batch size are shown without `--all`. */
const newest = 30;

/** What `replay` prints for people; `own` is the policy that the run has. */
export function replayWords(result: ReplayedRun, own: BatchSizePolicy | undefined, all: boolean): string {
  const shown = all ? Number.POSITIVE_INFINITY : newest;
  const { decisions, differing = [], policy, measured } = result;
  const head =
    policy === undefined
      ? `${decisions.same} of ${count(decisions.count, "decision")} come out the same`
      : `${policyWords(policy)}: ${decisions.same} of ${count(decisions.count, "decision")} on the batch size come out the same`;
  return [
    head,
    ...(differing.length === 0 ? [] : [differingWords(differing, shown)]),
    ...(result.batchSizes.length === 0 ? [] : [sizesWords(result, shown)]),
    ...(measured ? [] : [nothingMeasured(own)]),
    ...(measured && result.batchSizes.length === 0 ? [leftToTrainer] : []),
    ...(policy !== undefined && measured && result.batchSizes.length > 0
      ? [
          "What it would have chosen, it chooses by what this run measured: at a size that was never trained, nothing was.",
        ]
      : []),
  ].join("\n\n");
}

const leftToTrainer =
  "The batch size was left to the trainer, which takes no size from Pawl: let it go through its data with epoch.batches.";

const nothingMeasured = (own: BatchSizePolicy | undefined): string =>
  own === undefined || own.policy === "fixed" || own.policy === "schedule"
    ? "Nothing was measured that a batch size can follow: the job leaves it to the trainer, or fixes it. Give batchSize: auto and a trainer that goes through its data with epoch.batches."
    : "Nothing was measured that a batch size can follow: the trainer says neither what its steps take nor how large its gradients are. Let it go through its data with epoch.batches; a plain command writes examples, and gradientNorms where it knows them, into its metrics file.";

/** The first of them: what comes after the state that differs, may differ by it alone. */
function differingWords(differing: NonNullable<ReplayedRun["differing"]>, shown: number): string {
  const rows = differing.slice(0, shown).flatMap(({ sequence, kind, reason, differs, again }) => [
    [`  ${sequence}`, "was", kind, oneLine(reason)],
    ["", "is", again?.kind ?? "", againWords(differs, again?.reason)],
  ]);
  const total = differing.length;
  const hidden = total > shown ? `, the first ${shown} of ${total}; --all shows them all` : "";
  return `Otherwise (decided by another version of Pawl, or changed since${hidden})\n${table(rows)}`;
}

function againWords(
  differs: NonNullable<ReplayedRun["differing"]>[number]["differs"],
  reason: string | undefined,
): string {
  if (differs.includes("nothing") || reason === undefined) return "nothing is decided";
  return differs.includes("reason") || differs.includes("kind")
    ? oneLine(reason)
    : "the same, with another state after it";
}

/** All of a few; of many those that changed something, and the newest of these. */
function sizesWords(result: ReplayedRun, shown: number): string {
  const { batchSizes } = result;
  const total = batchSizes.length;
  if (total <= shown) return `Batch size\n${table(sizeRows(result))}`;
  const changes = batchSizes.filter(({ size, other }, at) => {
    const before = batchSizes[at - 1];
    return before === undefined || size !== before.size || other?.size !== before.other?.size;
  });
  const kept = changes.slice(-shown);
  const which = kept.length < changes.length ? `the newest ${kept.length}` : `the ${kept.length}`;
  const note = `${which} that changed something, of ${total}; --all shows them all`;
  return `Batch size (${note})\n${table(sizeRows({ ...result, batchSizes: kept }))}`;
}

function sizeRows({ batchSizes, policy }: ReplayedRun): string[][] {
  const heads = ["  when", "decided", ...(policy === undefined ? [] : [policy.policy]), "noise scale"];
  return [
    [...heads, "predicted", "why"],
    ...batchSizes.map(({ epoch, step, size, reason, noiseScale, predictedGain, other }) => [
      `  ${whenWords({ epoch, step })}`,
      size === undefined ? "left to the trainer" : String(size),
      ...(other === undefined ? [] : [String(other.size)]),
      noiseWords(noiseScale),
      gainWords(predictedGain),
      oneLine(other?.reason ?? reason),
    ]),
  ];
}
