import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  type ServiceQuota,
  ServiceQuotasClient,
} from "@aws-sdk/client-service-quotas";
import { instanceTypes, typesOf } from "../core/instance-types.ts";
import { type Market, markets } from "../core/market.ts";
import type { Offers } from "../core/stack.ts";
import { type Finding, ok, problem, unseenFor, warning } from "./doctor-finding.ts";
import { askFor, type Looking } from "./doctor-looking.ts";

/** Instances that EC2 counts together, in virtual CPUs, against a quota for each market. */
interface Group {
  readonly name: string;
  readonly families: RegExp;
  readonly codes: Readonly<Record<Market, string>>;
}

const groups: readonly Group[] = [
  {
    name: "G and VT",
    families: /^(gr?\d|vt\d)/,
    codes: { "on-demand": "L-DB2E81BA", spot: "L-3819A6DF" },
  },
  { name: "P", families: /^p[2-4]/, codes: { "on-demand": "L-417A185B", spot: "L-7212CCBC" } },
  // On demand all of P are counted together; on spot P5 is counted by itself.
  { name: "P5", families: /^p5/, codes: { "on-demand": "L-417A185B", spot: "L-C4BD4855" } },
  {
    name: "standard",
    families: /^[acdhimrtz]\d/,
    codes: { "on-demand": "L-1216C47A", spot: "L-34B43A08" },
  },
];

/** What the stack's instance types need of the quotas: a line for each group and market. */
export async function quotas(looking: Looking, offers: Offers): Promise<readonly Finding[]> {
  const wanted = groups.flatMap((group) => {
    const words = offers.instanceTypes.filter((word) => group.families.test(word));
    return words.length === 0 ? [] : markets.map((market) => ({ group, market, words }));
  });
  const client = await looking.aws.client(async () => ServiceQuotasClient)();
  return await Promise.all(
    wanted.map(async ({ group, market, words }) => {
      const code = group.codes[market];
      try {
        const quota = await quotaOf(looking, client, code);
        return finding({ group, market, words, quota, maxVcpus: offers.maxVcpus });
      } catch (error) {
        if (looking.signal.aborted) throw error;
        return unseenFor(subjectOf(group, market), error);
      }
    }),
  );
}

const subjectOf = ({ name }: Group, market: Market): string => `quota ${name}, ${market}`;

interface Known {
  readonly vcpus: number;
  /** Set for this account, or what everybody begins with. */
  readonly from: "applied" | "default";
}

async function quotaOf(
  looking: Looking,
  client: ServiceQuotasClient,
  QuotaCode: string,
): Promise<Known | undefined> {
  const about = { ServiceCode: "ec2", QuotaCode };
  const known = (quota: ServiceQuota | undefined, from: Known["from"]): Known | undefined =>
    quota?.Value === undefined ? undefined : { vcpus: quota.Value, from };
  // The service knows an account's own value only where it was ever changed.
  const applied = await askFor(
    looking,
    "servicequotas:GetServiceQuota",
    ["NoSuchResourceException"],
    (options) => client.send(new GetServiceQuotaCommand(about), options),
  );
  const own = known(applied?.Quota, "applied");
  if (own !== undefined) return own;
  const byDefault = await askFor(
    looking,
    "servicequotas:GetAWSDefaultServiceQuota",
    ["NoSuchResourceException"],
    (options) => client.send(new GetAWSDefaultServiceQuotaCommand(about), options),
  );
  return known(byDefault?.Quota, "default");
}

interface Wanted {
  readonly group: Group;
  readonly market: Market;
  readonly words: readonly string[];
  readonly quota: Known | undefined;
  readonly maxVcpus: number;
}

function finding({ group, market, words, quota, maxVcpus }: Wanted): Finding {
  const subject = subjectOf(group, market);
  const code = group.codes[market];
  if (quota === undefined) return warning(subject, `AWS knows no quota ${code} here`);
  const smallest = smallestOf(words);
  const found = `${quota.vcpus} vCPUs (${quota.from})`;
  const request = (desired: number) =>
    `Ask for more: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${code} --desired-value ${desired}`;
  if (quota.vcpus < smallest.vcpus) {
    const least =
      smallest.type === undefined ? "no instance" : `not one ${smallest.type} (${smallest.vcpus} vCPUs)`;
    return problem(
      subject,
      `${found}: ${least} can start`,
      `${request(Math.max(smallest.vcpus, Math.min(maxVcpus, 64)))}.`,
    );
  }
  if (quota.vcpus < maxVcpus)
    return warning(
      subject,
      `${found}: fewer than the stack's maxVcpus, ${maxVcpus}, so what is above waits`,
      `${request(maxVcpus)}, or leave it so.`,
    );
  return ok(subject, `${found}, maxVcpus is ${maxVcpus}`);
}

/** The least that an attempt's instance takes of the quota; a single virtual CPU where no type is known. */
function smallestOf(words: readonly string[]): { readonly type?: string; readonly vcpus: number } {
  const known = words.flatMap(typesOf).flatMap((type) => {
    const has = instanceTypes[type];
    return has === undefined ? [] : [{ type, vcpus: has.vcpus }];
  });
  return known.toSorted((a, b) => a.vcpus - b.vcpus)[0] ?? { vcpus: 1 };
}
