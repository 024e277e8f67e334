import { Aws } from "../aws/aws.ts";
import { PawlError } from "../core/errors.ts";
import { defaultInstanceTypes, defaultMaxVcpus, type Offers } from "../core/stack.ts";
import packageJson from "../package.json" with { type: "json" };
import { bootstrap, credentials, regionFinding, regionOf } from "./doctor-account.ts";
import { type Finding, ok, problem, unseen, unseenFor } from "./doctor-finding.ts";
import { images, shortPatience } from "./doctor-images.ts";
import { instances } from "./doctor-instances.ts";
import type { Looking } from "./doctor-looking.ts";
import { queues } from "./doctor-queues.ts";
import { quotas } from "./doctor-quotas.ts";
import { bucket, lookAtStack, stackThere } from "./doctor-stack.ts";

interface DoctorOptions {
  readonly stackName: string;
  /** What each check has; what takes longer could not be looked at. */
  readonly limitMilliseconds: number;
}

/** All checks, at the same time; each has its own end, and none hides another. Writes nothing anywhere. */
export async function examine({ stackName, limitMilliseconds }: DoctorOptions): Promise<readonly Finding[]> {
  const aws = new Aws({ patience: shortPatience });
  const here = ok("this machine", `Pawl ${packageJson.version}, Node ${process.versions.node}`);
  let region: string;
  try {
    region = await regionOf(aws);
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    const found = error.details.region === undefined ? "no region is set" : error.message;
    return [here, problem("region", found, error.next ?? "Set AWS_REGION.")];
  }
  const limit = AbortSignal.timeout(limitMilliseconds);
  let sight: ReturnType<typeof lookAtStack> | undefined;
  const stack = () => {
    sight ??= lookAtStack({ aws, signal: limit }, stackName);
    return sight;
  };
  const half = endOf(Promise.withResolvers(), AbortSignal.timeout(limitMilliseconds / 2));
  const hint = <Value>(value: Promise<Value>) => Promise.race([value.catch(() => undefined), half]);
  const looking: Looking = { aws, region, signal: limit, stack, hint };
  const offered = async (check: (looking: Looking, offers: Offers) => Promise<readonly Finding[]>) =>
    await check(looking, (await hint(stack()))?.offers ?? defaultOffers);

  const checks: readonly (readonly [string, () => Promise<readonly Finding[]>])[] = [
    ["credentials", () => credentials(looking)],
    ["CDK bootstrap", () => bootstrap(looking)],
    [`stack ${stackName}`, () => stackThere(looking, stackName)],
    ["bucket", () => bucket(looking)],
    ["queues", () => queues(looking)],
    ["images", () => offered(images)],
    ["instances", () => offered(instances)],
    ["quotas", () => offered(quotas)],
  ];
  const findings = await Promise.all(
    checks.map(async ([subject, check]) => await bounded(subject, check, { limit, limitMilliseconds })),
  );
  return [here, regionFinding(region), ...findings.flat()];
}

/** What stands for a stack that is not there yet: what it would be deployed with. */
const defaultOffers: Offers = {
  images: {},
  instanceTypes: defaultInstanceTypes,
  maxVcpus: defaultMaxVcpus,
};

const endOf = ({ promise, resolve }: PromiseWithResolvers<undefined>, signal: AbortSignal) => {
  signal.addEventListener("abort", () => resolve(undefined), { once: true });
  return promise;
};

/** What the check found; where it fails or is late, that. */
async function bounded(
  subject: string,
  check: () => Promise<readonly Finding[]>,
  { limit, limitMilliseconds }: { limit: AbortSignal; limitMilliseconds: number },
): Promise<readonly Finding[]> {
  const silence = `no answer came within ${limitMilliseconds / 1000} s`;
  const late = [
    subject === "credentials"
      ? problem(subject, silence, "See that the network is up, and run the same command again.")
      : unseen(subject, silence),
  ];
  const { promise: over, resolve } = Promise.withResolvers<readonly Finding[]>();
  // Not all that a check waits for heeds the signal.
  const end = () => resolve(late);
  limit.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([check(), over]);
  } catch (error) {
    return limit.aborted ? late : [unseenFor(subject, error)];
  } finally {
    limit.removeEventListener("abort", end);
  }
}
