import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Aws } from "../aws/aws.ts";
import { SpotPrices } from "../aws/spot-prices.ts";
import { Instance } from "../core/instance.ts";
import { InstanceMetadata } from "./instance-metadata.ts";

/** The price is nice to know, and not worth waiting for. */
const priceMilliseconds = 2000;

/** Before a second and a third time, in milliseconds. */
const pauses = [200, 1000];

const pricePatience = { totalMilliseconds: 1500, firstWaitMilliseconds: 100, longestWaitMilliseconds: 500 };

/**
 * What the EC2 instance is told about itself, and what it costs on spot now where these credentials may ask; `undefined`
 * where that cannot be learned: no attempt ends for it. `base` is where the instance's metadata is.
 */
export async function instanceFacts(base: string): Promise<Instance | undefined> {
  try {
    const [id, type, zone, cycle] = await patiently(() => valuesOf(new InstanceMetadata(base)));
    const market = cycle === "spot" ? "spot" : "on-demand";
    const instance = Instance.parse({ id, type, zone, market, upSeconds: await upSeconds() });
    const spotUsdPerHour = market === "spot" ? await spotPrice(instance) : undefined;
    return { ...instance, ...(spotUsdPerHour === undefined ? {} : { spotUsdPerHour }) };
  } catch {
    return undefined;
  }
}

async function valuesOf(metadata: InstanceMetadata): Promise<(string | undefined)[]> {
  // The first one brings the token that the others have too.
  const id = await metadata.get("instance-id");
  const paths = ["instance-type", "placement/availability-zone", "instance-life-cycle"];
  return [id, ...(await Promise.all(paths.map((path) => metadata.get(path))))];
}

/** Asks again where the metadata service is busy: a run with a budget stops where its instance does not know what it is. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (const milliseconds of pauses) {
    try {
      return await ask();
    } catch {
      await sleep(milliseconds);
    }
  }
  return await ask();
}

/** For how long the host has been up: a container is told the same. */
const upSeconds = async (): Promise<number> =>
  Number.parseFloat((await readFile("/proc/uptime", "utf8")).split(" ")[0] ?? "");

async function spotPrice({ type, zone }: Instance): Promise<number | undefined> {
  const signal = AbortSignal.timeout(priceMilliseconds);
  const prices = new SpotPrices(new Aws({ patience: pricePatience }));
  const late = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  // Whoever looks up credentials listens to no signal.
  const asked = prices.now(type, zone, { signal }).catch(() => undefined);
  return await Promise.race([asked, late]);
}
