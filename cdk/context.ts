import type { App, StackProps } from "aws-cdk-lib";
import {
  checkedFlag,
  checkedImageNames,
  checkedList,
  checkedLogDays,
  checkedMemory,
  checkedNumber,
  checkedPrices,
  checkedText,
} from "./context-forms.ts";
import { contextValues } from "./context-values.ts";
import type { PawlStackProps } from "./stack.ts";

type Key = keyof typeof contextValues;

/** The stack's name and properties. */
export interface FromContext {
  readonly stackName: string;
  readonly props: PawlStackProps;
}

/**
 * What the app's context says of the stack.
 *
 * @throws RangeError for a value that cannot be, by its key, itself and what is allowed.
 */
export function stackFromContext(app: App): FromContext {
  const value = <T>(key: Key, check: (value: unknown, key: string) => T): T | undefined => {
    const found: unknown = app.node.tryGetContext(key);
    return found === undefined || found === null ? undefined : check(found, key);
  };
  /** What is not given is left out, and so left to the construct's default. */
  const given = <T, P extends PawlStackProps>(
    key: Key,
    check: (value: unknown, key: string) => T,
    as: (value: T) => P,
  ): P | undefined => {
    const checked = value(key, check);
    return checked === undefined ? undefined : as(checked);
  };
  const stackName = checkedText(/^[A-Za-z][A-Za-z0-9-]{0,59}$/, contextValues.stackName.takes);
  const networkId = checkedText(/^vpc-[0-9a-f]+$/, "a network's id, such as vpc-0a1b2c3d");
  const address = checkedText(/^[^\s@]+@[^\s@]+$/, "an email address");
  const bucket = checkedText(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name");
  const props = {
    ...given("images", checkedImageNames, (images) => ({ images })),
    ...given("instanceTypes", checkedList, (instanceTypes) => ({ instanceTypes })),
    ...given("maxVcpus", checkedNumber(1, 1_000_000), (maxVcpus) => ({ maxVcpus })),
    // Only a lookup needs to know where; else the template deploys anywhere.
    ...given("vpcId", networkId, (vpcId) => ({ vpcId, ...environment() })),
    ...given("zones", checkedList, (zones) => ({ zones })),
    ...given("privateSubnets", checkedFlag, (privateSubnets) => ({ privateSubnets })),
    ...given("scaleDownDelayMinutes", checkedNumber(20, 10_080), (minutes) => ({
      scaleDownDelayMinutes: minutes,
    })),
    ...given("rootGibibytes", checkedNumber(100, 65_536), (rootGibibytes) => ({ rootGibibytes })),
    ...given("agentInImages", checkedFlag, (agentInImages) => ({ agentInImages })),
    ...given("sharedMemory", checkedMemory, (mebibytes) => ({ sharedMemoryMebibytes: mebibytes })),
    ...given("alarmEmail", address, (alarmEmail) => ({ alarmEmail })),
    ...given("dashboard", checkedFlag, (dashboard) => ({ dashboard })),
    ...given("tracing", checkedFlag, (tracing) => ({ tracing })),
    ...given("runMetrics", checkedFlag, (runMetrics) => ({ runMetrics })),
    ...given("logDays", checkedLogDays, (logRetention) => ({ logRetention })),
    ...given("keepRuns", checkedFlag, (keepRuns) => ({ keepRuns })),
    ...given("bucketName", bucket, (bucketName) => ({ bucketName })),
    ...given("prices", checkedPrices, (prices) => ({ prices })),
  };
  return { stackName: value("stackName", stackName) ?? "Pawl", props };
}

/** What the CDK CLI says of the credentials that it found. */
function environment(): StackProps {
  const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
  return account === undefined || region === undefined ? {} : { env: { account, region } };
}

/** CDK's own keys have a colon or a slash; any other is meant for us. */
const foreign = /[:/]/;

/** @throws RangeError for a key that is none of Pawl's: a misspelt one would do nothing, silently. */
export function refuseUnknownKeys(app: App): void {
  const known = Object.keys(contextValues);
  for (const key of Object.keys(app.node.getAllContext())) {
    if (known.includes(key) || (foreign.test(key) && !key.startsWith("pawl:"))) continue;
    throw new RangeError(`context '${key}' is none of Pawl's: they are ${known.join(", ")}`);
  }
}
