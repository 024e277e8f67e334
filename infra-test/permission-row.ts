/** Who may do what: one line of the table in `permissions-table.ts`. What stands for ARNs is made one in `permission-things.ts`. */
export interface PermissionRow {
  readonly who: Person;
  readonly actions: readonly string[];
  /** Examples of what it is done to. */
  readonly on: readonly string[];
  readonly allowed: boolean;
  readonly why: string;
  /** What is particular about the request. */
  readonly how?: How;
}

const created = { "s3:ObjectCreationOperation": "true" };

/** Particulars of a request, as condition keys beside the ordinary ones. */
export const particulars = {
  "with If-None-Match": { ...created, "s3:if-none-match": "*" },
  "without If-None-Match": created,
  "as a part of a large upload, whose completion must say If-None-Match": {
    "s3:ObjectCreationOperation": "false",
  },
  "without TLS": { ...created, "s3:if-none-match": "*", "aws:SecureTransport": "false" },
  "by TLS 1.1": { "s3:TlsVersion": "1.1" },
  "as an instance registers": { "ecs:CreateAction": "RegisterContainerInstance" },
  "by a rule of the stack": { "aws:SourceArn": "rule of the stack" },
  "by another rule": { "aws:SourceArn": "another rule" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
export type How = keyof typeof particulars;

/** Whom the table speaks of: a role of the stack by its logical id, a service, an administrator of the account, a stranger. */
export const people = {
  Open: { role: "FunctionsOpenRole" },
  Review: { role: "FunctionsReviewRole" },
  Recover: { role: "FunctionsRecoverRole" },
  Sweep: { role: "FunctionsSweepRole" },
  Stop: { role: "FunctionsStopRole" },
  "an attempt": { role: "ComputeAttemptsRole" },
  "ECS, to start an attempt": { role: "ComputeAttemptsExecutionRole" },
  "an instance": { role: "ComputeInstancesRole" },
  "the state machine": { role: "WorkflowRole" },
  EventBridge: { service: "events.amazonaws.com" },
  "an administrator": { administrator: true },
  "somebody of another account": { stranger: true },
} as const;
export type Person = keyof typeof people;

export const entry = "bucket/journal/digits-1/0000000007.json";
export const manifest = "bucket/checkpoints/digits-1/3-1/manifest.json";
export const weights = "bucket/checkpoints/digits-1/3-1/model.pt";
export const outcome = "bucket/attempts/digits-1/1/0f8a/outcome.json";
export const code = `bucket/code/${"a".repeat(64)}.tar.gz`;
export const lease = "bucket/leases/digits-1.json";
export const resting = "bucket/sweep/resting.json";
export const anyRunsFiles = [entry, manifest, outcome];

export const row = (
  who: Person,
  actions: string | readonly string[],
  on: string | readonly string[],
  allowed: boolean,
  why: string,
  how?: How,
): PermissionRow => ({
  who,
  actions: typeof actions === "string" ? [actions] : actions,
  on: typeof on === "string" ? [on] : on,
  allowed,
  why,
  ...(how === undefined ? {} : { how }),
});

export const ifAbsent = "with If-None-Match";
export const over = "without If-None-Match";
