import {
  code,
  entry,
  ifAbsent,
  lease,
  manifest,
  outcome,
  over,
  type PermissionRow,
  type Person,
  resting,
  row,
  weights,
} from "./permission-row.ts";

export const deciders = ["Open", "Review", "Recover", "Sweep", "Stop"] as const;

const ofDeciders = deciders.flatMap((who): PermissionRow[] => [
  row(
    who,
    "s3:PutObject",
    entry,
    true,
    "decisions are journalled by the functions, and by them alone",
    ifAbsent,
  ),
  row(who, "s3:PutObject", entry, false, "an entry is created once, and never replaced", over),
  row(who, "s3:GetObject", entry, true, "a decision stands on the journal"),
  row(who, "s3:ListBucket", "bucket", true, "a key that is not there is answered as such, not as forbidden"),
  row(who, ["logs:CreateLogStream", "logs:PutLogEvents"], "its own log", true, "what it did, and why"),
  row(who, "logs:PutLogEvents", "another's log", false, "its own only"),
  row(
    who,
    ["s3:PutObject", "s3:DeleteObject"],
    [weights, outcome, code],
    false,
    "what attempts leave is theirs",
    ifAbsent,
  ),
  row(who, "s3:DeleteObject", entry, false, "history stays"),
  row(
    who,
    ["batch:SubmitJob", "states:StartExecution"],
    ["queue spot", "state machine"],
    false,
    "the state machine alone starts anything",
  ),
]);

const evidence = (who: Person): PermissionRow =>
  row(who, "s3:GetObject", [manifest, outcome], true, "what attempts left is what is decided from");

const looks = (who: Person): PermissionRow =>
  row(
    who,
    ["batch:DescribeJobs", "batch:ListJobs"],
    "anything",
    true,
    "whether a job still runs; Batch has no narrower resource",
  );

const ends = (who: Person, why: string): PermissionRow => row(who, "batch:TerminateJob", "a job", true, why);

const asksAfterDrivers = (who: Person): PermissionRow[] => [
  row(who, "states:DescribeExecution", "an execution", true, "whether a run's driver lives"),
  row(who, "s3:GetObject", lease, true, "whether a driver on somebody's machine lives"),
  row(who, "s3:PutObject", lease, false, "a lease is its holder's", ifAbsent),
];

export const ofFunctions: readonly PermissionRow[] = [
  ...ofDeciders,
  ...(["Open", "Review", "Recover", "Sweep"] as const).map(evidence),
  row("Stop", "s3:GetObject", [manifest, outcome], false, "a stop is decided from the journal alone"),
  ...(["Open", "Sweep", "Stop"] as const).map(looks),
  row(
    "Review",
    ["batch:DescribeJobs", "batch:TerminateJob"],
    ["anything", "a job"],
    false,
    "it only answers attempts",
  ),
  ends("Open", "ends what an earlier driver left running"),
  ends("Sweep", "ends jobs that nobody watches, or that did not start in time"),
  ends("Stop", "ends the attempts of a run that is to stop, which nothing but Batch reaches"),
  row(
    "Recover",
    ["batch:DescribeJobs", "batch:TerminateJob"],
    ["anything", "a job"],
    false,
    "its job has ended already; how, Step Functions tells it",
  ),
  ...(["Open", "Sweep", "Stop"] as const).flatMap(asksAfterDrivers),
  row("Open", "states:DescribeExecution", "an execution of another machine", false, "only this stack's"),
  row("Review", "states:DescribeExecution", "an execution", false, "it does not ask after drivers"),
  row(
    "Sweep",
    ["s3:GetObject", "s3:PutObject"],
    resting,
    true,
    "which runs are at rest, so that they need not be read again",
  ),
  row("Open", "s3:PutObject", resting, false, "Sweep's own"),
  row("Sweep", "sns:Publish", "topic", true, "tells people that a run is at rest"),
  row("Sweep", "sns:Publish", "another topic", false, "only the stack's"),
  row("Open", "sns:Publish", "topic", false, "Sweep alone tells people"),
  row("Sweep", "lambda:InvokeFunction", "function Open", false, "no function asks another"),
];
