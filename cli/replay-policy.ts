import { parse } from "yaml";
import { PawlError } from "../core/errors.ts";
import type { TrainingJob, TrainingJobInput } from "../core/job.ts";
import { nearest } from "../core/nearest.ts";
import { checkJob } from "../core/parse-job.ts";
import { bounds } from "../core/policies/batch-size/bounds.ts";
import { type BatchSizePolicy, type PolicyName, policyNames } from "../core/policies/batch-size/index.ts";

/** Those that a name alone does not make, with what they need. */
const needy = {
  fixed: "a size: --policy 64",
  schedule:
    "its steps: --policy '{policy: schedule, steps: [{fromEpoch: 1, size: 32}, {fromEpoch: 5, size: 64}]}'",
} satisfies Partial<Record<PolicyName, string>>;

const next = `Give a policy's name (${policyNames.join(", ")}), a size, or what a job's batchSize can be.`;

const wrong = (message: string, text: string, advice = next): PawlError =>
  new PawlError("USAGE", message, { next: advice, details: { policy: text } });

/** What `policy` says of the sizes that it may choose, for another policy to keep to. */
function boundsOf(policy: BatchSizePolicy | undefined): Readonly<Record<string, unknown>> {
  if (policy === undefined) return {};
  if (policy.policy === "fixed") return { start: policy.size };
  if (policy.policy === "schedule") return { start: policy.steps[0]?.size };
  return Object.fromEntries(Object.entries(policy).filter(([field]) => field in bounds));
}

/** `given` within the bounds of the run's where it is a policy that has bounds, and gives none. */
function bounded(given: unknown, own: BatchSizePolicy | undefined): unknown {
  if (given === null || typeof given !== "object" || Array.isArray(given)) return given;
  const { policy } = { policy: "auto", ...given };
  const needsNone = Object.keys(given).some((field) => field in bounds) || policy in needy;
  return needsNone ? given : { ...boundsOf(own), ...given };
}

/** A policy by its name alone: the run's own where it is that one, else one within the bounds of the run's. */
function named(name: string, own: BatchSizePolicy | undefined, text: string): unknown {
  if (own !== undefined && own.policy === name) return own;
  const needs = Object.entries(needy).find(([policy]) => policy === name)?.[1];
  if (needs !== undefined) throw wrong(`--policy ${name} needs more than its name`, text, `Give ${needs}.`);
  if (!policyNames.some((known) => known === name)) {
    const meant = nearest(name, policyNames);
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    throw wrong(`there is no policy ${JSON.stringify(name)}${hint}`, text);
  }
  return { policy: name, ...boundsOf(own) };
}

/**
 * The policy that `--policy` names: a policy's name, a size, or all that a job's `batchSize` can be, in YAML or JSON. `own`
 * is the run's. Throws USAGE with what is wrong.
 */
export function readPolicy(
  text: string,
  job: TrainingJobInput,
  own: BatchSizePolicy | undefined,
): NonNullable<TrainingJob["batchSize"]> {
  let given: unknown;
  try {
    given = parse(text, { logLevel: "error" });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw wrong(`--policy ${JSON.stringify(text)} is not YAML: ${said}`, text);
  }
  if (given === null || given === undefined) throw wrong("--policy is empty", text);
  const batchSize = typeof given === "string" ? named(given, own, text) : bounded(given, own);
  const checked = checkJob({ ...job, batchSize });
  if ("problems" in checked) {
    const lines = checked.problems.map(({ field, message }) => `${field} ${message}`);
    throw wrong(
      `--policy ${JSON.stringify(text)} cannot be a job's batchSize:\n  ${lines.join("\n  ")}`,
      text,
    );
  }
  if (checked.job.batchSize === undefined) throw wrong("--policy is empty", text);
  return checked.job.batchSize;
}
