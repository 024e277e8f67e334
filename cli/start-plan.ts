import { usdWords } from "../core/cost.ts";
import { pricesAsOf } from "../core/instance-types.ts";
import type { TrainingJob } from "../core/job.ts";
import { jobDigest } from "../core/job-digest.ts";
import { checkpointsPrefix } from "../core/keys.ts";
import type { Market } from "../core/market.ts";
import { runNumber } from "../core/names.ts";
import { placesFor } from "../core/placement.ts";
import { priceOf } from "../core/prices.ts";
import type { RunState } from "../core/run-state.ts";
import type { PackedCode } from "../store/code.ts";
import type { Journal } from "../store/journal.ts";
import { count, duration, size, table } from "./format.ts";
import type { Stack } from "./stack.ts";

/** What is going to happen, before it does; `start --json` prints it. */
export interface Plan {
  readonly run: string;
  readonly job: string;
  /** The last committed epoch; 0 for a run that begins. */
  readonly epoch: number;
  readonly epochs: number;
  readonly stack: string;
  readonly region: string;
  readonly image: string;
  /** Those that the job fits on, the cheapest first; none where the stack's types are not in the table. */
  readonly instanceTypes: readonly { readonly type: string; readonly usdPerHour: number | undefined }[];
  readonly market: TrainingJob["compute"]["market"];
  /** Of the cheapest on the market that is tried first. */
  readonly usdPerHour: number | undefined;
  /** Where an earlier run says how long an epoch takes. */
  readonly estimate: Estimate | undefined;
  readonly budgetUsd: number | undefined;
  readonly code: {
    readonly key: string;
    readonly files: number;
    readonly sizeBytes: number;
    /** Whether it is in the store already. */
    readonly isThere: boolean;
  };
  /** Where checkpoints will be. */
  readonly results: string;
}

interface Estimate {
  readonly usd: number;
  readonly secondsPerEpoch: number;
  /** The run that took so long for an epoch. */
  readonly run: string;
}

/** So many of a job's newest runs are asked how long an epoch takes. */
const askedRuns = 5;

/** How long an epoch took, of the run itself or of the newest one of the job that has trained any. */
async function epochSeconds(
  journal: Journal,
  job: string,
  state: RunState | undefined,
): Promise<{ seconds: number; state: RunState } | undefined> {
  const of = (found: RunState | undefined) =>
    found === undefined || found.progress.epoch === 0
      ? undefined
      : { seconds: found.progress.trainedSeconds / found.progress.epoch, state: found };
  const own = of(state);
  if (own !== undefined) return own;
  const numbered: { run: string; number: number }[] = [];
  for await (const run of journal.runs()) {
    const number = runNumber(job, run);
    if (number !== undefined) numbered.push({ run, number });
  }
  numbered.sort((a, b) => b.number - a.number);
  for (const { run } of numbered.slice(0, askedRuns)) {
    const newest = await journal.newest(run);
    const known = of(newest?.state);
    if (known !== undefined) return known;
  }
  return undefined;
}

interface PlanInput {
  readonly stack: Stack;
  readonly journal: Journal;
  readonly run: string;
  readonly job: TrainingJob;
  readonly state: RunState | undefined;
  readonly code: PackedCode;
  readonly isCodeThere: boolean;
}

/** Errors: the store's. */
export async function makePlan(input: PlanInput): Promise<Plan> {
  const { stack, journal, run, job, state, code, isCodeThere } = input;
  const market: Market = state?.market?.now ?? (job.compute.market === "on-demand" ? "on-demand" : "spot");
  const instanceTypes = placesFor(job, stack.offers).map(({ type }) => ({
    type,
    usdPerHour: priceOf({ type, market })?.usdPerHour,
  }));
  const usdPerHour = instanceTypes[0]?.usdPerHour;
  const epoch = state?.progress.epoch ?? 0;
  const known = await epochSeconds(journal, job.name, state);
  // What the earlier run's instance cost belongs to how fast it was.
  const rate = known?.state.cost?.usdPerHour ?? usdPerHour;
  const estimate =
    known === undefined || rate === undefined
      ? undefined
      : {
          usd: (rate * known.seconds * Math.max(0, job.epochs - epoch)) / 3600,
          secondsPerEpoch: known.seconds,
          run: known.state.run,
        };
  return {
    run,
    job: job.name,
    epoch,
    epochs: job.epochs,
    stack: stack.stackName,
    region: stack.region,
    image: job.image,
    instanceTypes,
    market: job.compute.market,
    usdPerHour,
    estimate,
    budgetUsd: job.budgetUsd,
    code: { key: code.key, files: code.files, sizeBytes: code.sizeBytes, isThere: isCodeThere },
    results: `${stack.store}/${checkpointsPrefix(run)}`,
  };
}

const marketWords = {
  "spot-first": "spot; on demand for a while where spot brings nothing",
  spot: "spot only",
  "on-demand": "on demand only",
} as const satisfies Record<Plan["market"], string>;

/** So many types are named. */
const namedTypes = 4;

function instanceWords({ instanceTypes }: Plan, offered: readonly string[]): string {
  const [first, ...rest] = instanceTypes.map(({ type }) => type);
  if (first === undefined) return `as the stack offers: ${offered.join(", ")}`;
  const named = [first, ...rest.slice(0, namedTypes - 1)].join(", ");
  const more = rest.length - (namedTypes - 1);
  return more > 0 ? `${named} and ${more} more that fit` : named;
}

function priceWords({ usdPerHour, instanceTypes, market }: Plan): string {
  const cheapest = instanceTypes[0];
  if (usdPerHour === undefined || cheapest === undefined)
    return "not known: the types are not in the table of prices";
  const on = market === "on-demand" ? "on demand" : "on spot";
  return `from ${usdWords(usdPerHour)} an hour ${on} (${cheapest.type}; reckoned from list prices of ${pricesAsOf} in us-east-1)`;
}

function costWords({ estimate, epoch, epochs, usdPerHour }: Plan): string {
  if (estimate !== undefined) {
    const left = count(Math.max(0, epochs - epoch), "epoch");
    return `about ${usdWords(estimate.usd)} for ${left} of ${duration(estimate.secondsPerEpoch)}, as in run ${estimate.run}`;
  }
  return usdPerHour === undefined
    ? "not known"
    : "by the hour: no run of this job says yet how long an epoch takes";
}

/** The plan for people. */
export function renderPlan(plan: Plan, { offers }: Stack, job: TrainingJob): string {
  const { run, stack, region, epoch, epochs, image, budgetUsd, code, results } = plan;
  const how = epoch === 0 ? "" : `, goes on after epoch ${epoch} of ${epochs}`;
  const { gpus, vcpus, memory } = job.compute;
  const rows = [
    ["  image", `${image} (${offers.images[image] ?? "unknown"})`],
    ["  needs", `${count(gpus, "GPU")}, ${count(vcpus, "vCPU")}, ${size(memory * 1024 * 1024)}`],
    ["  instances", instanceWords(plan, offers.instanceTypes)],
    ["  market", marketWords[plan.market]],
    ["  price", priceWords(plan)],
    ["  cost", costWords(plan)],
    ["  budget", budgetUsd === undefined ? "none" : `${usdWords(budgetUsd)}, before which it stops`],
    [
      "  code",
      `${count(code.files, "file")}, ${size(code.sizeBytes)}, ${code.isThere ? "there already" : "to be uploaded"}`,
    ],
    ["  results", results],
  ];
  return `run ${run}, job ${plan.job} (${jobDigest(job).slice(0, 8)}), on the stack ${stack} in ${region}${how}\n${table(rows)}`;
}
