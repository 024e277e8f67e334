import type { Market } from "./market.ts";

/**
 * What a deployed stack is called by, plain data that the CDK app shares with whoever talks to the stack: names, outputs
 * and the functions' environment.
 */

/** The stack's outputs, by their keys. The command line finds everything by them. */
export const stackOutputs = {
  /** The version of Pawl that was deployed. */
  version: "Version",
  /** What the names of queues and job definitions begin with. */
  name: "Name",
  bucket: "Bucket",
  stateMachine: "StateMachine",
  /** The function that is asked to stop a run. */
  stop: "StopFunction",
  /** An `Offers` as JSON. */
  offers: "Offers",
} as const;

/** What a stack may start where nobody says: families with one to eight GPUs each, and so many virtual CPUs in each market. */
export const defaultInstanceTypes: readonly string[] = ["g4dn", "g5", "g6"];
export const defaultMaxVcpus = 256;

/** What a stack can give a job. */
export interface Offers {
  /** The images by their names in a job's `image`; `default` is always among them. */
  readonly images: Readonly<Record<string, string>>;
  /** Types (`g5.xlarge`) or whole families (`g5`), as they were given. */
  readonly instanceTypes: readonly string[];
  /** Virtual CPUs of all instances of one market at most. */
  readonly maxVcpus: number;
}

/** The functions' environment. */
export const functionVariables = {
  store: "PAWL_STORE",
  /** The stack's own name for things, from which its queues' names follow. */
  name: "PAWL_NAME",
  /** What the ARNs of the stack's executions begin with. */
  executions: "PAWL_EXECUTIONS",
  /** An `Offers` as JSON. */
  offers: "PAWL_OFFERS",
  /** Prices that replace the table's, a `PriceList` as JSON. */
  prices: "PAWL_PRICES",
  /** The ARN of the topic that people are told by. */
  topic: "PAWL_TOPIC",
  /** `1` where metrics are to be counted for each run too. */
  runMetrics: "PAWL_RUN_METRICS",
} as const;

/** What an attempt's container is given beside the assignment's address. */
export const containerVariables = {
  store: "PAWL_STORE",
  /** The Review function's name: where it is absent, Review is asked through the control pipe. */
  review: "PAWL_REVIEW",
  /** Where the instance's metadata is. */
  metadata: "PAWL_METADATA",
  /** The folder that attempts make their own folders in. */
  scratch: "PAWL_SCRATCH",
  /** Seconds between SIGTERM and SIGKILL. */
  stopSeconds: "PAWL_STOP_SECONDS",
} as const;

export const queueName = (name: string, market: Market): string => `${name}-${market}`;

/** Which of the stack's job definitions an attempt is submitted with, as the state machine puts it behind the stack's name. */
export const definitionSuffix = (image: string, gpus: number): string =>
  `${image}-${gpus > 0 ? "gpu" : "cpu"}`;

export const jobDefinitionName = (name: string, suffix: string): string => `${name}-${suffix}`;

/** The name of an attempt's Batch job, by which it is found before it has claimed its assignment. */
export const attemptJobName = (run: string, attempt: number): string => `${run}-${attempt}`;

export const stateMachineName = (name: string): string => `${name}-Runs`;

/** An image's name in a job and in the stack's context. */
export const imageNameRule = "1 to 30 small letters, digits or '-', beginning with a letter";
export const imageNamePattern = /^[a-z][a-z0-9-]{0,29}$/;
export const defaultImage = "default";
