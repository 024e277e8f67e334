/** A value of the CDK app's context: what it takes, what holds where it is not given, and what it is for. */
export interface ContextValue {
  readonly takes: string;
  readonly unless: string;
  readonly means: string;
}

/** All of them; the documentation's table is this one. `cdk deploy -c key=value`, or `context` in cdk.json. */
export const contextValues = {
  stackName: {
    takes: "1 to 60 letters, digits or `-`, a letter first",
    unless: "`Pawl`",
    means: "The stack's name, which all names in it begin with.",
  },
  images: {
    takes: '`{"name": "address"}` or `name=address,name2=address2`',
    unless: "a plain Python on Debian as `default`",
    means: "The images that a job's `image` can name; Linux on x86-64 with glibc 2.28 or later, as they are.",
  },
  instanceTypes: {
    takes: "types (`g5.xlarge`) or families (`g5`) of x86-64, joined by commas",
    unless: "`g4dn,g5,g6`",
    means: "What may be started.",
  },
  maxVcpus: {
    takes: "a whole number from 1",
    unless: "256",
    means: "Virtual CPUs of all instances of one market at most: it bounds what an hour can cost.",
  },
  vpcId: {
    takes: "`vpc-…`",
    unless: "a new network, which costs nothing",
    means: "The network that instances start in.",
  },
  zones: {
    takes: "availability zones (`eu-west-1a`), joined by commas",
    unless: "all of a given network, two of a new one",
    means: "Where instances may start. More zones are more spot capacity.",
  },
  privateSubnets: {
    takes: "`true` or `false`",
    unless: "`false`",
    means: "Instances without public addresses; see below what it costs.",
  },
  scaleDownDelayMinutes: {
    takes: "a whole number from 20 to 10080",
    unless: "instances go at once",
    means: "For how long an idle instance stays, ready and paid for.",
  },
  rootGibibytes: {
    takes: "a whole number from 100 to 65536",
    unless: "100",
    means: "The instances' root volume, for images and files where there is no instance storage.",
  },
  agentInImages: {
    takes: "`true` or `false`",
    unless: "`false`",
    means: "Whether the images bring the agent themselves; see below.",
  },
  sharedMemory: {
    takes: "a size (`512MiB`, `8GiB`)",
    unless: "`4GiB`",
    means: "What `/dev/shm` may grow to, out of the job's memory.",
  },
  alarmEmail: {
    takes: "an address",
    unless: "nobody is told",
    means: "Who is told that a run ended or gave up, and that Pawl itself fails.",
  },
  dashboard: {
    takes: "`true` or `false`",
    unless: "`true`",
    means: "A CloudWatch dashboard; an account's first three are free.",
  },
  tracing: { takes: "`true` or `false`", unless: "`false`", means: "X-Ray traces, paid for by the trace." },
  runMetrics: {
    takes: "`true` or `false`",
    unless: "`false`",
    means: "Metrics of each run too, paid for by the metric.",
  },
  logDays: {
    takes: "a number of days that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90 …)",
    unless: "30",
    means: "For how long logs are kept.",
  },
  keepRuns: {
    takes: "`true` or `false`",
    unless: "`true`",
    means: "Whether the bucket stays when the stack is deleted; else all runs go with it.",
  },
  bucketName: {
    takes: "a bucket's name",
    unless: "a new bucket",
    means: "A bucket that an earlier stack left, taken up again with its runs.",
  },
  prices: {
    takes: '`{"g5.xlarge": {"spot": 0.4, "on-demand": 1.1}}`, USD an hour',
    unless: "Pawl's table, and EC2's spot prices",
    means: "Prices that go before all others.",
  },
} as const satisfies Record<string, ContextValue>;
