import { readFile } from "node:fs/promises";
import { Aws } from "../aws/aws.ts";
import { SpotPrices } from "../aws/spot-prices.ts";
import { Instance } from "../core/instance.ts";
import { InstanceMetadata } from "./instance-metadata.ts";

/** The price is nice to know, and not worth waiting for. */
const priceMilliseconds = 2000;

const pricePatience = { totalMilliseconds: 1500, firstWaitMilliseconds: 100, longestWaitMilliseconds: 500 };

/**
 * What the EC2 instance is told about itself, and what it costs on spot now where these credentials may ask; `undefined`
 * where that cannot be learned: no attempt ends for it. `base` is where the instance's metadata is.
 */
export async function instanceFacts(base: string): Promise<Instance | undefined> {
  try {
    const metadata = new InstanceMetadata(base);
    // The first one brings the token that the others have too.
    const id = await metadata.get("instance-id");
    const [type, zone, cycle] = await Promise.all(
      ["instance-type", "placement/availability-zone", "instance-life-cycle"].map((path) =>
        metadata.get(path),
      ),
    );
    const market = cycle === "spot" ? "spot" : "on-demand";
    const instance = Instance.parse({ id, type, zone, market, upSeconds: await upSeconds() });
    const spotUsdPerHour = market === "spot" ? await spotPrice(instance) : undefined;
    return { ...instance, ...(spotUsdPerHour === undefined ? {} : { spotUsdPerHour }) };
  } catch {
    return undefined;
  }
}

/** Which region the instance is in: Batch tells its containers nothing of that. `undefined` where it cannot be learned. */
export const instanceRegion = (base: string): Promise<string | undefined> =>
  new InstanceMetadata(base).get("placement/region").catch(() => undefined);

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
