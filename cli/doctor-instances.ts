import {
  DescribeInstanceTypeOfferingsCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type Filter,
} from "@aws-sdk/client-ec2";
import type { Offers } from "../core/stack.ts";
import { type Finding, ok, problem, warning } from "./doctor-finding.ts";
import { ask, type Looking } from "./doctor-looking.ts";
import { lookAtQueues } from "./doctor-queues.ts";

/**
 * In which zones of the region each of the stack's instance types can be had: those that the region lacks, or that are only
 * to be had where the stack has no subnet, never start.
 */
export async function instances(looking: Looking, offers: Offers): Promise<readonly Finding[]> {
  const client = await looking.aws.client(async () => EC2Client)();
  const words = offers.instanceTypes;
  const [offered, own] = await Promise.all([
    offerings(looking, client, words),
    // Where it may not be seen, the zones of the region are all that can be said.
    looking.hint(zonesOfStack(looking, client)),
  ]);
  const sights = words.map((word) => sightOf(word, offered, own));
  const others = sights.filter(({ startable }) => startable).map(({ word }) => word);
  return sights.map((sight) => finding(looking.region, sight, others));
}

interface Sight {
  readonly word: string;
  readonly types: number;
  /** Of the region, that have it. */
  readonly zones: readonly string[];
  /** The stack's own, where they are known. */
  readonly own: readonly string[] | undefined;
  readonly startable: boolean;
}

function sightOf(word: string, offered: readonly Offering[], own: readonly string[] | undefined): Sight {
  const fitting = offered.filter(({ type }) => type === word || type.startsWith(`${word}.`));
  const zones = [...new Set(fitting.map(({ zone }) => zone))].sort();
  const types = new Set(fitting.map(({ type }) => type)).size;
  const startable = own === undefined ? zones.length > 0 : zones.some((zone) => own.includes(zone));
  return { word, types, zones, own, startable };
}

function finding(
  region: string,
  { word, types, zones, own = [], startable }: Sight,
  others: readonly string[],
): Finding {
  const subject = `instances ${word}`;
  const where = zones.join(", ");
  const stack = own.length === 0 ? "" : `; the stack starts them in ${own.join(", ")}`;
  const howMany = word.includes(".") ? "" : ` (${types} ${types === 1 ? "type" : "types"})`;
  if (startable) return ok(subject, `${where}${howMany}${stack}`);
  const found =
    zones.length === 0
      ? `${region} does not offer ${word.includes(".") ? "it" : "any of them"}`
      : `only in ${where}${stack}`;
  const elsewhere = zones.length === 0 ? "" : ` Or let it start where it is: -c zones=${zones.join(",")}.`;
  // The rest of the stack's types still start.
  return others.length === 0
    ? problem(
        subject,
        found,
        `Deploy with instance types that the region has, or in another region.${elsewhere}`,
      )
    : warning(subject, found, `Deploy without it: -c instanceTypes=${others.join(",")}.${elsewhere}`);
}

interface Offering {
  readonly type: string;
  readonly zone: string;
}

/** A filter of EC2 takes no more values. */
const mostValues = 200;

async function offerings(
  looking: Looking,
  client: EC2Client,
  words: readonly string[],
): Promise<readonly Offering[]> {
  const Values = words.map((word) => (word.includes(".") ? word : `${word}.*`)).slice(0, mostValues);
  const found = await pages(looking, client, [{ Name: "instance-type", Values }]);
  // Emulators do not know wildcards.
  return found.length > 0 ? found : await pages(looking, client, []);
}

async function pages(looking: Looking, client: EC2Client, Filters: Filter[]): Promise<readonly Offering[]> {
  const found: Offering[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ask(looking, "ec2:DescribeInstanceTypeOfferings", (options) =>
      client.send(
        new DescribeInstanceTypeOfferingsCommand({
          LocationType: "availability-zone",
          Filters,
          ...(NextToken === undefined ? {} : { NextToken }),
        }),
        options,
      ),
    );
    for (const { InstanceType, Location } of page.InstanceTypeOfferings ?? [])
      if (InstanceType !== undefined && Location !== undefined)
        found.push({ type: InstanceType, zone: Location });
    NextToken = page.NextToken === "" ? undefined : page.NextToken;
  } while (NextToken !== undefined);
  return found;
}

/** The zones of the subnets that the stack's instances start in; `undefined` where there are none. */
async function zonesOfStack(looking: Looking, client: EC2Client): Promise<readonly string[] | undefined> {
  const sights = (await lookAtQueues(looking)) ?? [];
  const subnets = sights.flatMap(({ environments }) =>
    environments.flatMap(({ computeResources }) => computeResources?.subnets ?? []),
  );
  if (subnets.length === 0) return undefined;
  const { Subnets = [] } = await ask(looking, "ec2:DescribeSubnets", (options) =>
    client.send(new DescribeSubnetsCommand({ SubnetIds: [...new Set(subnets)] }), options),
  );
  const zones = new Set(Subnets.flatMap(({ AvailabilityZone }) => AvailabilityZone ?? []));
  return zones.size === 0 ? undefined : [...zones].sort();
}
