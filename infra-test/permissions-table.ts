import {
  anyRunsFiles,
  code,
  entry,
  ifAbsent,
  manifest,
  outcome,
  over,
  type PermissionRow,
  row,
  weights,
} from "./permission-row.ts";
import { ofAttempts } from "./permissions-of-attempts.ts";
import { ofFunctions } from "./permissions-of-functions.ts";

const ofTheMachine: readonly PermissionRow[] = [
  row(
    "the state machine",
    "lambda:InvokeFunction",
    ["function Open", "function Review", "function Recover"],
    true,
    "asks what to do next",
  ),
  row(
    "the state machine",
    "lambda:InvokeFunction",
    ["function Sweep", "function Stop"],
    false,
    "these are others' to ask",
  ),
  row(
    "the state machine",
    "batch:SubmitJob",
    [
      "queue spot",
      "queue on-demand",
      "definition default-gpu",
      "definition default-gpu:7",
      "definition default-cpu",
      "definition default-cpu:7",
    ],
    true,
    "submits attempts, to the stack's queues with the stack's definitions",
  ),
  row(
    "the state machine",
    "batch:SubmitJob",
    ["another queue", "another definition"],
    false,
    "nobody else's",
  ),
  row(
    "the state machine",
    "batch:DescribeJobs",
    "anything",
    true,
    "Step Functions looks how a job ended; Batch has no narrower resource",
  ),
  row("the state machine", "batch:TerminateJob", "a job", true, "a stopped execution ends its job"),
  row(
    "the state machine",
    "batch:TerminateJob",
    "a job of another account",
    false,
    "only this account's and Region's",
  ),
  row(
    "the state machine",
    ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
    "Step Functions' own rule",
    true,
    "hears that a job has ended",
  ),
  row("the state machine", "events:PutRule", "another rule", false, "no other rule"),
  row(
    "the state machine",
    "states:StartExecution",
    "state machine",
    true,
    "hands a long run over to a fresh execution",
  ),
  row("the state machine", "states:StartExecution", "another state machine", false, "no other machine"),
  row(
    "the state machine",
    ["s3:GetObject", "s3:PutObject"],
    anyRunsFiles,
    false,
    "it holds no data",
    ifAbsent,
  ),
];

const ofOthers: readonly PermissionRow[] = [
  row(
    "EventBridge",
    "lambda:InvokeFunction",
    "function Sweep",
    true,
    "the stack's two rules ask Sweep",
    "by a rule of the stack",
  ),
  row("EventBridge", "lambda:InvokeFunction", "function Sweep", false, "nobody else's do", "by another rule"),
  row(
    "EventBridge",
    "lambda:InvokeFunction",
    ["function Open", "function Review", "function Recover", "function Stop"],
    false,
    "only Sweep is asked by events",
    "by a rule of the stack",
  ),
  row(
    "an administrator",
    "s3:PutObject",
    [entry, manifest],
    false,
    "history is immutable for everybody",
    over,
  ),
  row(
    "an administrator",
    "s3:PutObject",
    [entry, manifest],
    true,
    "what is not there can be put back, from a backup",
    ifAbsent,
  ),
  row("an administrator", "s3:PutObject", [weights, outcome, code], true, "nothing else is held", over),
  row(
    "an administrator",
    "s3:PutObject",
    manifest,
    true,
    "a part is no object yet",
    "as a part of a large upload, whose completion must say If-None-Match",
  ),
  row(
    "an administrator",
    ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
    [entry, weights, "bucket"],
    false,
    "TLS only",
    "without TLS",
  ),
  row("an administrator", "s3:GetObject", weights, false, "TLS 1.2 and later only", "by TLS 1.1"),
  row("an administrator", "sns:Publish", "topic", false, "TLS only", "without TLS"),
  row(
    "somebody of another account",
    ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
    [entry, weights, "bucket"],
    false,
    "nothing is shared",
    ifAbsent,
  ),
  row(
    "somebody of another account",
    "lambda:InvokeFunction",
    ["function Review", "function Stop", "function Sweep"],
    false,
    "nothing is shared",
  ),
  row("somebody of another account", "sns:Publish", "topic", false, "nothing is shared"),
];

/**
 * Who may do what in a deployed stack: a test evaluates each row on the synthesised template, and docs/security.md shows
 * them. Plain data.
 */
export const permissionsTable: readonly PermissionRow[] = [
  ...ofFunctions,
  ...ofAttempts,
  ...ofTheMachine,
  ...ofOthers,
];
