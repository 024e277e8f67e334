import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { instanceFacts } from "./instance-facts.ts";
import { MetadataServer } from "./testing/metadata-server.ts";

async function metadataOf(values: Readonly<Record<string, string>>): Promise<MetadataServer> {
  const metadata = await MetadataServer.start();
  onTestFinished(() => metadata.stop());
  for (const [path, value] of Object.entries(values)) metadata.set(path, value);
  return metadata;
}

/** The first request is answered as by a service that has too much to do. */
async function busyAtFirst(metadata: MetadataServer): Promise<void> {
  metadata.failing = 503;
  while (metadata.asked.length === 0) await sleep(1);
  metadata.failing = undefined;
}

it("an instance whose metadata are busy is asked again", async () => {
  const metadata = await metadataOf({
    "instance-type": "g5.xlarge",
    "instance-life-cycle": "on-demand",
    "placement/availability-zone": "eu-west-1a",
  });
  const [facts] = await Promise.all([instanceFacts(metadata.base), busyAtFirst(metadata)]);
  expect(facts).toMatchObject({ type: "g5.xlarge", zone: "eu-west-1a", market: "on-demand" });
});

it("what has no metadata is no instance of EC2", async () => {
  const metadata = await metadataOf({});
  await expect(instanceFacts(metadata.base)).resolves.toBeUndefined();
});
