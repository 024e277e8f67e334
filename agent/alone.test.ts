import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { AwsService } from "../aws/testing/service.ts";
import { bundleAgent } from "../cdk/agent-bundle.ts";
import type { TrainingJobInput } from "../core/job.ts";
import { installation } from "../installation.ts";
import { reviewAttempt } from "../lambdas/review.ts";
import { sweepRuns } from "../lambdas/sweep.ts";
import { FakeWorld, run } from "../lambdas/testing/fake-world.ts";
import { packCode, uploadCode } from "../store/code.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { processesNaming } from "../test/pawl.ts";
import { MetadataServer } from "./testing/metadata-server.ts";

const freshFolder = temporaryFolders({ fast: true });
const trainer = `
import pawl, pathlib, sys
for epoch in pawl.epochs():
    print("epoch", epoch.number, pathlib.Path("data.txt").read_text().strip(), flush=True)
    epoch.report(loss=1 / epoch.number)
    epoch.checkpoint(lambda into: (into / "model.txt").write_text(str(epoch.number)))
`;

/** As EC2 answers DescribeSpotPriceHistory. */
const spotPrices = `<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>r</requestId><spotPriceHistorySet>${[
  ["0.5", "2026-11-20"],
  ["0.4021", "2026-11-21"],
]
  .map(
    ([usd, day]) =>
      `<item><instanceType>g5.xlarge</instanceType><spotPrice>${usd}</spotPrice><timestamp>${day}T10:00:00.000Z</timestamp></item>`,
  )
  .join("")}</spotPriceHistorySet></DescribeSpotPriceHistoryResponse>`;

let bundle: Uint8Array;
beforeAll(() => {
  bundle = bundleAgent().content;
});

/** A stack without AWS: the bundle as an instance has it, Review by Lambda, a store, and the folder with the job's code. */
async function stack(more: Partial<TrainingJobInput> = {}) {
  const root = await freshFolder();
  const world = await FakeWorld.make(root);
  const [code, mounted, scratch] = ["code", "opt-pawl", "scratch"].map((name) => join(root, name));
  if (code === undefined || mounted === undefined || scratch === undefined) throw new Error("no folders");
  for (const folder of [code, mounted, scratch]) await mkdir(folder);
  await writeFile(join(code, "train.py"), trainer);
  await writeFile(join(code, "data.txt"), "packed\n");
  await writeFile(join(mounted, "agent.mjs"), bundle);
  await cp(join(installation.pythonHelper, "pawl"), join(mounted, "python", "pawl"), { recursive: true });
  const packed = await packCode(code);
  await uploadCode(world.store, packed);
  const job = { name: "digits", command: ["python3", "train.py"], epochs: 2, ...more };
  const service = await new AwsService(async ({ path, body }) => {
    if (path === "/") return { headers: { "content-type": "text/xml" }, body: spotPrices };
    return { body: await reviewAttempt(world.ports())(JSON.parse(body)) };
  }).start();
  return {
    root,
    world,
    service,
    scratch,
    job,
    source: { code: packed.key },
    agent: join(mounted, "agent.mjs"),
  };
}
type Stack = Awaited<ReturnType<typeof stack>>;

/** Runs the container's command as Batch does: nobody at the other end of a pipe. */
async function attend({ root, world, service, scratch, agent }: Stack, more: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [agent], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      ...service.environment,
      PAWL_RUN: run,
      PAWL_ATTEMPT: "1",
      PAWL_SEQUENCE: "1",
      PAWL_STORE: world.store.address,
      PAWL_REVIEW: "pawl-Review",
      PAWL_SCRATCH: scratch,
      AWS_BATCH_JOB_ID: "job-a",
      ...more,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  onTestFinished(() => void child.kill("SIGKILL"));
  const [code] = await once(child, "close");
  expect(await processesNaming(root)).toEqual([]);
  return { code, output };
}

describe("the agent as one file, alone on an instance", () => {
  it("asks Review by Lambda, trains the packed code with Python's helper, and leaves nothing on the disk", async () => {
    const all = await stack();
    await all.world.open("driver-1", { job: all.job, source: all.source });
    const { code, output } = await attend(all);
    expect(output).toBe("epoch 1 packed\nepoch 2 packed\n");
    expect(code).toBe(0);
    expect((await all.world.state())?.progress.epoch).toBe(2);
    expect(await readdir(all.scratch)).toEqual([]);
  });

  it("says with its claim what it runs on", async () => {
    const all = await stack();
    const metadata = await MetadataServer.start();
    onTestFinished(() => metadata.stop());
    metadata.set("instance-type", "g5.xlarge");
    metadata.set("placement/availability-zone", "eu-west-1a");
    metadata.set("instance-life-cycle", "spot");
    await all.world.open("driver-1", { job: all.job, source: all.source });
    expect((await attend(all, { PAWL_METADATA: metadata.base })).code).toBe(0);
    const claimed = (await all.world.journal())[1]?.event;
    expect(claimed).toMatchObject({
      type: "started",
      instance: {
        id: "i-0123456789abcdef0",
        type: "g5.xlarge",
        zone: "eu-west-1a",
        market: "spot",
        upSeconds: expect.any(Number),
        spotUsdPerHour: 0.4021,
      },
      price: { usdPerHour: 0.4021, from: "spot-history" },
    });
    const asked = all.service.asked.find(({ path }) => path === "/")?.body;
    expect(asked).toContain("Action=DescribeSpotPriceHistory");
    expect(asked).toContain("eu-west-1a");
  });

  it("trains without the price where nobody tells it", async () => {
    const all = await stack();
    const metadata = await MetadataServer.start();
    onTestFinished(() => metadata.stop());
    metadata.set("instance-type", "g5.xlarge");
    metadata.set("placement/availability-zone", "eu-west-1a");
    metadata.set("instance-life-cycle", "spot");
    all.service.first("silent");
    await all.world.open("driver-1", { job: all.job, source: all.source });
    expect((await attend(all, { PAWL_METADATA: metadata.base })).code).toBe(0);
    expect((await all.world.journal())[1]?.event).toMatchObject({
      type: "started",
      instance: { type: "g5.xlarge", market: "spot" },
      price: { from: "table" },
    });
  });

  it.each<[string, (all: Stack) => Promise<void>, RegExp]>([
    ["is missing", ({ world, source }) => world.store.remove(source.code), /code\/[0-9a-f]{64}.tar.gz/],
    [
      "is damaged",
      async ({ world, source }) => {
        await world.store.remove(source.code);
        await world.store.create(source.code, "not an archive");
      },
      /code\/[0-9a-f]{64}.tar.gz/,
    ],
  ])("ends for good, in words, where its code %s", async (_, damage, words) => {
    const all = await stack();
    await all.world.open("driver-1", { job: all.job, source: all.source });
    await damage(all);
    expect((await attend(all)).code).toBe(15);
    expect(await all.world.outcome("job-a")).toMatchObject({
      result: "image-or-command-error",
      message: expect.stringMatching(words),
    });
    expect(await readdir(all.scratch)).toEqual([]);
  });

  it("leaves when its execution is gone and Sweep has settled its run", async () => {
    const all = await stack();
    const { world } = all;
    await world.open("driver-1", { job: all.job, source: all.source });
    world.running.add("");
    world.endsAtOnce = true;
    const later = { ...world.ports(), now: () => new Date(Date.now() + 3_600_000) };
    await sweepRuns(later)({});
    expect((await world.state())?.live).toEqual([]);
    const { code } = await attend(all);
    expect(code).toBe(18);
    expect(await world.outcome("job-a")).toMatchObject({ result: "left" });
    expect((await world.state())?.progress.epoch).toBe(0);
  });

  it("removes what attempts before it have left that died more than a day ago, and nothing else", async () => {
    const all = await stack();
    const ago = async (name: string, hours: number, file = "agent.json") => {
      await mkdir(join(all.scratch, name));
      await writeFile(join(all.scratch, name, file), "{}");
      const at = new Date(Date.now() - hours * 3_600_000);
      await utimes(join(all.scratch, name, file), at, at);
      await utimes(join(all.scratch, name), at, at);
    };
    await ago("dead", 25);
    await ago("alive", 2);
    await ago("nobody-knows", 100, "photo.jpg");
    await all.world.open("driver-1", { job: all.job, source: all.source });
    expect((await attend(all)).code).toBe(0);
    expect((await readdir(all.scratch)).sort()).toEqual(["alive", "nobody-knows"]);
  });

  it("says what is missing where nobody can be asked for work", async () => {
    const all = await stack();
    const { code, output } = await attend(all, { PAWL_REVIEW: undefined });
    expect(code).toBe(1);
    expect(output).toContain("PAWL_REVIEW is not set");
  });
});
