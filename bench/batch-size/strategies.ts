import type { TrainingJobInput } from "../../core/job.ts";
import { type Adaptdl, AdaptdlDecider, type AdaptdlRule } from "./adaptdl.ts";
import type { Decider } from "./decider.ts";
import { PawlDecider } from "./pawl.ts";

/** What the learning rate is tuned for, and what every strategy that chooses begins with. */
export const start = 32;
export const largest = 2048;
const fixedSizes = [16, 32, 64, 128, 256, 512, 1024, 2048];

/** How the learning rate follows the batch size: the same for all that are compared. */
export type Scaling = "auto" | "linear";

export interface Strategy {
  readonly name: string;
  /** A size for the whole run, a policy of Pawl's, or adaptdl's. */
  readonly kind: "fixed" | "policy" | "adaptdl";
  readonly begin: () => Decider;
}

type BatchSize = Exclude<TrainingJobInput["batchSize"], undefined>;

const bounds = { start, max: largest };
const policies: Readonly<Record<string, BatchSize>> = {
  goodput: { policy: "goodput", ...bounds },
  auto: bounds,
  "noise-scale": { policy: "noise-scale", ...bounds },
  throughput: { policy: "throughput", ...bounds },
  plateau: { policy: "plateau", ...bounds, patience: 1 },
  // The size doubles each second epoch.
  schedule: {
    policy: "schedule",
    steps: [32, 64, 128, 256, 512].map((size, i) => ({ fromEpoch: 2 * i + 1, size })),
  },
};

/** Every strategy, in the order of the table; without `adaptdl` its rows are left out. */
export function strategies(scaling: Scaling, adaptdl: Adaptdl | undefined): Strategy[] {
  const pawl = (name: string, kind: Strategy["kind"], batchSize: BatchSize): Strategy => ({
    name,
    kind,
    begin: () => new PawlDecider({ batchSize, learningRate: { scaling, referenceBatchSize: start } }),
  });
  const ofAdaptdl = (code: Adaptdl, name: string, rule: AdaptdlRule): Strategy => ({
    name,
    kind: "adaptdl",
    begin: () => new AdaptdlDecider(code, { initial: start, max: largest, rule }),
  });
  return [
    ...fixedSizes.map((size) => pawl(String(size), "fixed", size)),
    ...Object.entries(policies).map(([name, batchSize]) => pawl(name, "policy", batchSize)),
    ...(adaptdl === undefined
      ? []
      : [ofAdaptdl(adaptdl, "adaptdl", "optimize"), ofAdaptdl(adaptdl, "adaptdl whole", "whole")]),
  ];
}
