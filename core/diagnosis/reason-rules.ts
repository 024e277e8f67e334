import type { FailureClass } from "../failure.ts";
import type { Confidence } from "../sign.ts";
import { classOfAwsError } from "./aws-error.ts";

/** What a reason that Batch or ECS words means. First match wins, most specific first. */
interface ReasonRule {
  readonly class: FailureClass;
  readonly form: RegExp;
  readonly confidence?: Confidence;
}

/**
 * Of a status reason. Whoever ends a job gives its reason in words of their own, which can hold anything: only a system's
 * whole form counts.
 */
const statusForms: readonly ReasonRule[] = [
  { class: "job-timeout", form: /^Job (?:attempt|execution) duration exceeded timeout\.?$/i },
  { class: "spot-reclaim", form: /^Host EC2(?: \(instance i-[0-9a-f]+\))? terminated\.?$/i },
  {
    class: "spot-reclaim",
    form: /^(?:Your )?Spot (?:Task|Instance) (?:was|is|has been) (?:interrupted|terminated|reclaimed)\.?$/i,
  },
  { class: "spot-reclaim", form: /^Server\.SpotInstance(?:Termination|Shutdown)\b[^\n]{0,200}$/ },
  {
    class: "capacity-never-available",
    form: /^(?:Cancell?ed|Terminated|Stopped|Failed) by JobStateTimeLimit action due to reason: \S[^\n]{0,300}$/i,
  },
  {
    class: "capacity-never-available",
    form: /^(?:(?:MISCONFIGURATION|CAPACITY):[A-Z0-9_]+|ACTION_REQUIRED|UNDETERMINED)(?:\s*[-–—:]\s*\S[^\n]{0,500})?$/,
  },
  {
    class: "capacity-never-available",
    form: /^(?:Capacity is unavailable at this time|Unable to place a task because|You(?:'|’)ve reached the limit on the number of|No Container Instances were found|Service cannot fulfill the capacity|Fargate capacity|Insufficient capacity|There is no \w+ capacity)\b[^\n]{0,500}$/i,
  },
  {
    class: "host-terminated-other",
    form: /^Task stopped during instance draining\.?$|^Container instance (?:deregistration forced by user|draining|terminated)\.?$|^(?:Amazon )?ECS is performing maintenance\b[^\n]{0,300}$|^Scaling activity initiated by \(.{1,200}\)\.?$|^Host EC2(?: \(instance i-[0-9a-f]+\))? (?:stopped|stopping|shut down|rebooted)\.?$|^Timeout waiting for (?:network interface|EphemeralStorage|EBS|volume)\b[^\n]{0,60}provisioning to complete\.?$|^(?:ECS )?Agent disconnected\.?$|^Task failed (?:ELB|container) health checks\b[^\n]{0,300}$|^The container instance hosting this task\b[^\n]{0,300}$|^(?:Host|Instance) (?:terminated|stopped|was lost|is lost)\.?$/i,
  },
  {
    class: "batch-api-error",
    form: /^Container Overrides length must be at (?:most|least) \d+\.?$|^No Fargate configuration exists for given values\b[^\n]{0,200}$|^(?:Operation failed|Invalid request)\b[^\n]{0,300}$|^ECS was unable to assume (?:the )?role\b[^\n]{0,600}$|^(?:JobDefinition|Job ?Queue|Compute environment|Task ?definition|TaskDefinition)\b[^\n]{0,300}\b(?:does not exist|is not in ACTIVE status|is inactive|not found|not valid|does not support)\b[^\n]{0,200}$|^(?:User|Role): arn:\S+ is not authorized to perform: (?:batch|ecs|iam):\w+[^\n]{0,400}$|^[A-Z][\w ]{2,60} (?:must be at (?:most|least)|length must be|must not be|exceeds the (?:limit|maximum)|is not supported|cannot be (?:empty|blank))\b[^\n]{0,200}$/,
  },
];

/** Of errors that ECS, its agent and the container runtime name: in a status reason as in the container's. */
const errorForms: readonly ReasonRule[] = [
  {
    class: "container-oom",
    form: /^OutOfMemory(?:Error)?\b|^OOMKilled\b|^[A-Z]\w{2,60}(?:Error|Exception)?: .{0,1500}cannot allocate memory|^container killed due to memory usage/i,
  },
  {
    class: "disk-full",
    form: /^[A-Z]\w{2,60}(?:Error|Exception)?: .{0,1500}(?:no space left on device|disk quota exceeded|Thin Pool has \d+ free data blocks)/is,
  },
  { class: "spot-reclaim", form: /^(?:SpotInterruption|TerminationNotice)\b/ },
  {
    class: "host-terminated-other",
    form: /^(?:Docker|ContainerRuntime|Runtime)Timeout(?:Error)?\b|^Could not transition to \w+; timed out|^Cannot(?:Inspect|Stop|Kill|List|Describe)\w*Error\b|^Cannot(?:Create|Start)ContainerError: .{0,600}(?:timed out|timeout|deadline exceeded|transition|cannot connect to the docker daemon|connection refused|device or resource busy|cgroup)/i,
  },
  {
    class: "cannot-pull-image",
    form: /^Cannot(?:Pull|Resolve)\w*(?:Error)?:|^(?:Could not|Unable to|Failed to) pull\b|^(?:ErrImagePull|ImagePullBackOff|InvalidImageName)\b/,
  },
  {
    class: "cannot-pull-image",
    form: /^ResourceInitializationError: .{0,600}(?:registry auth|\becr\b|pull command|image)/is,
  },
  {
    class: "hardware-gpu",
    form: /^Cannot(?:Create|Start)ContainerError: .{0,1000}(?:nvml error|driver not loaded|unknown device|driver rpc error|no devices? found|GPU is lost)/is,
  },
  {
    class: "image-or-command-error",
    form: /^Cannot(?:Create|Start)Container(?:Error)?: |^Container(?:Create|Start|CannotRun)\w*(?:Error)?\b|^RunContainerError\b|^StartError\b/,
  },
  {
    class: "image-or-command-error",
    form: /^(?:OCI runtime|failed to create (?:task|shim)|exec format error)/i,
  },
  {
    class: "capacity-never-available",
    form: /^(?:RESOURCE:[A-Z]+|InsufficientInstanceCapacity|VcpuLimitExceeded|MaxSpotInstanceCountExceeded|(?:Server|Client)\.(?:Insufficient\w*Capacity|\w*LimitExceeded))\b/,
  },
  {
    class: "host-terminated-other",
    form: /^(?:Docker(?:State)?Error|CgroupError|ContainerRuntimeError|InternalError|HostResource\w*|Agent\w*Error|EniProvision\w*|TaskFailedToStart|Unexpected ?EC2 ?[Ee]rror)\b/,
    confidence: "medium",
  },
  {
    class: "batch-api-error",
    form: /^(?:ResourceInitializationError|CLIENT_ERROR|ClientError|ClientException|ServerException|InvalidParameterException|AccessDenied(?:Exception)?|ResourceNotFound\w*|INTERNAL_ERROR|CannotCreateVolumeError|PlatformTaskDefinition\w+|InvalidRequestException|SerializationException|ValidationException)\b.{0,3}\S/,
    confidence: "medium",
  },
];

/** Words that stand before what went wrong, and alone say nothing: they appear on success and failure. */
const leading =
  /^(?:Essential container(?: in task)? exited|(?:Array )?Child Job failed|Depend\w+ Job failed|Task failed to start|Task failed|Error)(?:\s*[-–—:;,]\s+|\s*$)/i;

/** What an environment or a queue says of itself where nothing is wrong. */
const healthy = /^(?:Compute ?Environment|Job ?Queue) Healthy$/i;

/** A reason without what says nothing; empty where nothing is left. */
const substance = (reason: string): string => reason.trim().replace(healthy, "").replace(leading, "").trim();

export interface ReasonMeaning {
  readonly class: FailureClass;
  readonly confidence: Confidence;
}

/** What a status reason means; `undefined` where it says nothing of its own. */
export function meaningOfStatus(reason: string | undefined): ReasonMeaning | undefined {
  const text = substance(reason ?? "");
  if (text === "") return undefined;
  return matched([...statusForms, ...errorForms], text) ?? ofSdk(text);
}

/** What a container's reason means. */
export function meaningOfContainer(reason: string | undefined): ReasonMeaning | undefined {
  const text = substance(reason ?? "");
  if (text === "") return undefined;
  return matched([...errorForms, ...statusForms], text) ?? ofSdk(text);
}

function matched(rules: readonly ReasonRule[], text: string): ReasonMeaning | undefined {
  const rule = rules.find(({ form }) => form.test(text));
  return rule === undefined ? undefined : { class: rule.class, confidence: rule.confidence ?? "high" };
}

function ofSdk(text: string): ReasonMeaning | undefined {
  const name = /[({]/.test(text) ? classOfAwsError(text) : undefined;
  return name === undefined ? undefined : { class: name, confidence: "medium" };
}

/** How an error names itself; people do not write so. */
const errorName = /^[\w.]{3,80}(?:Error|Exception|Fault|Failure)\b|^[A-Z][A-Z0-9_]{5,}:/;

const verbs =
  /\b(?:kill|cancel|terminat|abort|stop|delet|remov|clean|supersed|interrupt|shut|obsolet|duplicat|manual|request|redeploy|user|operator)/i;

/**
 * A status reason that no system words: whoever ended the job gave it. `undefined` for what says nothing, or names itself
 * an error that is not known here.
 */
export function saidByPerson(reason: string | undefined): ReasonMeaning | undefined {
  const text = substance(reason ?? "");
  if (text === "" || errorName.test(text)) return undefined;
  return { class: "cancelled/terminated-by-user", confidence: verbs.test(text) ? "medium" : "low" };
}

/** The host that a reason names. */
export const instanceIn = (reason: string | undefined): string | undefined =>
  /\bi-[0-9a-f]{4,32}\b/.exec((reason ?? "").slice(0, 500))?.[0];
