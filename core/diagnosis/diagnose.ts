import { driverGoneReason } from "../driver-gone.ts";
import { classOfExitCode, type FailureClass } from "../failure.ts";
import { notStartedPrefix } from "../not-started.ts";
import type { Outcome } from "../outcome.ts";
import type { Confidence, Sign } from "../sign.ts";
import { terminationPrefix } from "../stop.ts";
import type { BatchJob, JobEnd } from "./batch-job.ts";
import { classOfCode, isCrash } from "./exit-code.ts";
import { diagnoseLog } from "./log.ts";
import { plain } from "./plain.ts";
import { instanceIn, meaningOfContainer, meaningOfStatus, saidByPerson } from "./reason-rules.ts";
import { retryable } from "./retryable.ts";
import { readCaught } from "./state-machine.ts";
import { trainerClass } from "./trainer-class.ts";
import type { Diagnosis, Signals } from "./types.ts";

interface Facts extends Signals {
  readonly job: BatchJob | undefined;
  readonly ours: boolean;
}

/** What one rule finds. */
export interface Finding {
  readonly class: FailureClass | "none";
  readonly confidence: Confidence;
  readonly sign: Sign;
  readonly instance?: string | undefined;
}

type Rule = (facts: Facts) => Finding | undefined;

const found = (
  name: FailureClass | "none",
  confidence: Confidence,
  where: string,
  text: string,
  instance?: string,
): Finding => ({ class: name, confidence, sign: { where, text: plain(text, 500) }, instance });

/** A host that is gone: Batch says the same of one that the market took and of one that was scaled in. */
const onMarket = (name: FailureClass, { market }: Facts): FailureClass =>
  name === "spot-reclaim" && market === "on-demand" ? "host-terminated-other" : name;

function reasonsOf(end: JobEnd, facts: Facts, prefix = ""): Finding | undefined {
  const status = meaningOfStatus(end.statusReason);
  // A time limit and a host that went come before what they did to the container.
  const inside = meaningOfContainer(end.reason);
  const first = inside === undefined || status?.confidence === "high" ? status : undefined;
  if (first !== undefined && first.class !== "image-or-command-error") {
    const text = end.statusReason ?? "";
    return found(
      onMarket(first.class, facts),
      first.confidence,
      `${prefix}StatusReason`,
      text,
      instanceIn(text),
    );
  }
  if (inside !== undefined) {
    const text = end.reason ?? "";
    return found(
      onMarket(inside.class, facts),
      inside.confidence,
      `${prefix}Container.Reason`,
      text,
      instanceIn(text),
    );
  }
  if (status === undefined) return undefined;
  const text = end.statusReason ?? "";
  return found(
    onMarket(status.class, facts),
    status.confidence,
    `${prefix}StatusReason`,
    text,
    instanceIn(text),
  );
}

/** First match wins, most specific first. Only parsed fields are read: the rest of a cause holds the job's own words. */
const jobRules: readonly Rule[] = [
  ({ job }) => (job?.status === "SUCCEEDED" ? found("none", "high", "Status", "SUCCEEDED") : undefined),
  ({ job, ours }) =>
    ours && (job?.statusReason?.startsWith(terminationPrefix) || job?.statusReason === driverGoneReason)
      ? found("interrupted", "high", "StatusReason", job.statusReason)
      : undefined,
  ({ job }) =>
    job?.statusReason?.startsWith(notStartedPrefix)
      ? found("capacity-never-available", "high", "StatusReason", job.statusReason)
      : undefined,
  (facts) => (facts.job === undefined ? undefined : reasonsOf(facts.job, facts)),
  // Nobody's TerminateJob ends a process by a crash of its own.
  ({ job }) => {
    if (job?.exitCode === undefined || !isCrash(job.exitCode)) return undefined;
    const { class: name, confidence, says } = classOfCode(job.exitCode);
    return found(name, confidence, "Container.ExitCode", says);
  },
  ({ job }) => {
    const said = saidByPerson(job?.statusReason);
    if (said === undefined || job?.statusReason === undefined) return undefined;
    return found(said.class, said.confidence, "StatusReason", job.statusReason);
  },
  ({ job, ours }) => {
    const name = ours && job?.exitCode !== undefined ? classOfExitCode(job.exitCode) : undefined;
    return name === undefined
      ? undefined
      : found(name, "medium", "Container.ExitCode", `exit code ${job?.exitCode}`);
  },
  (facts) => {
    // What befell an attempt of a job that goes on has been survived.
    const goesOn = facts.job?.status !== undefined && facts.job.status !== "FAILED";
    if (goesOn || facts.job?.exitCode !== undefined) return undefined;
    return facts.job?.attempts.reduceRight<Finding | undefined>(
      (finding, attempt, at) => finding ?? ofAttempt(attempt, at, facts),
      undefined,
    );
  },
  ({ job }) =>
    job?.status !== undefined && job.status !== "FAILED" && job.exitCode === undefined
      ? found("none", "medium", "Status", job.status)
      : undefined,
];

function ofAttempt(attempt: JobEnd, at: number, facts: Facts): Finding | undefined {
  const prefix = `Attempts[${at}].`;
  const finding = reasonsOf(attempt, facts, prefix);
  if (finding !== undefined || attempt.exitCode === undefined || attempt.exitCode === 0) return finding;
  const { class: name, confidence, says } = classOfCode(attempt.exitCode);
  return found(name, confidence, `${prefix}Container.ExitCode`, says);
}

/** What the exit code alone says, where nothing says more. */
function byExitCode({ job, ours }: Facts): Finding | undefined {
  const code = job?.exitCode;
  if (code === undefined) return undefined;
  const { class: name, confidence, says } = classOfCode(code);
  // Pawl's agent tells of its trainer's end; where it could not, the code says only that it was killed.
  const told = ours && confidence === "low" ? "unknown" : name;
  const text = ours ? `the Batch job ended with ${says} and left no account of its end` : says;
  return found(told, confidence, "Container.ExitCode", text);
}

/** Outcomes of an attempt that was told to go, or does not know what struck it: Batch may know more. */
const openEnds = new Set<Outcome["result"]>(["unknown", "interrupted", "left", "duplicate", "done"]);

/** Names what happened: by the attempt's own account first, then by Batch's fields, then by the end of the log. */
export function diagnose(signals: Signals): Diagnosis {
  const diagnosis = conclude(signals);
  const again = diagnosis.retryable ?? retryable(diagnosis.class, diagnosis.signs[0]?.text ?? "");
  return again === undefined || diagnosis.confidence === "low"
    ? diagnosis
    : { ...diagnosis, retryable: again };
}

function conclude(signals: Signals): Diagnosis {
  const caught = signals.caught === undefined ? undefined : readCaught(signals.caught);
  const job = signals.job ?? caught?.job;
  const facts: Facts = { ...signals, job, ours: signals.ours ?? job?.ours ?? false };
  const { outcome } = signals;
  if (outcome !== undefined && !openEnds.has(outcome.result)) return fromOutcome(outcome);
  const fromJob = jobRules.reduce<Finding | undefined>((finding, rule) => finding ?? rule(facts), undefined);
  const certain = fromJob?.confidence === "high" || caught?.finding?.confidence === "high";
  if (
    outcome !== undefined &&
    outcome.result !== "done" &&
    (fromJob?.confidence !== "high" || fromJob.class === "none")
  ) {
    return fromOutcome(outcome);
  }
  const strong = fromJob ?? caught?.finding;
  const log = certain || strong?.class === "none" ? undefined : readLog(facts, strong);
  if (log !== undefined) return { ...log, ...stoppedAt(job) };
  const finding = strong ?? byExitCode(facts) ?? nothing(facts);
  // What was cut may say more than is left of it.
  const confidence = job?.whole === false && finding.confidence === "high" ? "medium" : finding.confidence;
  return {
    class: finding.class,
    confidence,
    signs: [finding.sign, ...besides(facts, finding)].slice(0, 5),
    message: finding.sign.text,
    ...(finding.instance === undefined ? {} : { instance: finding.instance }),
    ...stoppedAt(job),
  };
}

/** What the end of the log says, where it is surer than what is known without it; nothing for a job that somebody ended. */
function readLog({ log: lines, job, ours }: Facts, known: Finding | undefined): Diagnosis | undefined {
  const log = lines === undefined ? undefined : diagnoseLog(lines);
  if (log === undefined || known?.class === "cancelled/terminated-by-user") return undefined;
  if (known !== undefined && known.confidence !== "low" && log.confidence === "low") return undefined;
  const name = ours ? trainerClass(log.class) : log.class;
  if (name === "unknown") return undefined;
  const code =
    job?.exitCode === undefined ? [] : [{ where: "Container.ExitCode", text: `exit code ${job.exitCode}` }];
  return { ...log, class: name, signs: [...log.signs, ...code].slice(0, 5) };
}

function fromOutcome(outcome: Outcome): Diagnosis {
  const { result, message, confidence, signs, place, retryable: again, instance, endedAt } = outcome;
  const own = result === "left" || result === "duplicate" || result === "done" ? "unknown" : result;
  return {
    class: own,
    confidence: confidence ?? (own === "unknown" ? "low" : "high"),
    signs: signs?.length ? signs : [{ where: "outcome.json", text: plain(message, 500) }],
    message,
    ...(place === undefined ? {} : { place }),
    ...(again === undefined ? {} : { retryable: again }),
    ...(instance === undefined ? {} : { instance }),
    stoppedAt: endedAt,
  };
}

/** The exit code beside a reason, and the reason beside an exit code. */
function besides({ job }: Facts, { sign }: Finding): Sign[] {
  const more: Sign[] = [];
  if (job?.exitCode !== undefined && !sign.where.includes("ExitCode")) {
    more.push({ where: "Container.ExitCode", text: classOfCode(job.exitCode).says });
  }
  for (const [where, text] of [
    ["StatusReason", job?.statusReason],
    ["Container.Reason", job?.reason],
  ] as const) {
    if (text !== undefined && !sign.where.endsWith(where)) more.push({ where, text: plain(text, 500) });
  }
  return more;
}

const stoppedAt = (job: BatchJob | undefined): { stoppedAt?: string } =>
  job?.stoppedAt === undefined ? {} : { stoppedAt: new Date(job.stoppedAt).toISOString() };

function nothing({ job, outcome }: Facts): Finding {
  if (outcome?.result === "done") return found("none", "medium", "outcome.json", outcome.message);
  const said = job?.statusReason ?? job?.reason;
  if (said !== undefined) return found("unknown", "low", "StatusReason", said);
  const words =
    job === undefined ? "nothing that is known to tell of a failure" : "it gave no reason and no exit code";
  return found("unknown", "low", job === undefined ? "input" : "job", words);
}
