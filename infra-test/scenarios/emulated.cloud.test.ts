import { join } from "node:path";
import {
  BatchClient,
  DeregisterJobDefinitionCommand,
  DescribeJobDefinitionsCommand,
} from "@aws-sdk/client-batch";
import {
  LambdaClient,
  ListFunctionsCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MetadataServer } from "../../agent/testing/metadata-server.ts";
import { restingKey } from "../../core/keys.ts";
import { functionVariables, stackOutputs } from "../../core/stack.ts";
import { resting } from "../../core/standing.ts";
import { packCode } from "../../store/code.ts";
import { openFolderStore } from "../../store/folder.ts";
import { openStore } from "../../store/open-store.ts";
import { temporaryFolder } from "../../test/pawl.ts";
import { account } from "../cloud/assembly.ts";
import { connectCloud } from "../cloud/emulated-cloud.ts";
import { region } from "../servers/server-group.ts";
import { expectAmongItsLike, expectEnd } from "./check.ts";
import { comparable } from "./comparable.ts";
import { emulatedWorld, type Places } from "./emulated.ts";
import { spotInstance } from "./local-place.ts";
import { listenTo, type Notices } from "./notices.ts";
import { type Played, play } from "./play.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { offers, prices, trainerFolder, turnsPerExecution } from "./setting.ts";

const cloud = connectCloud();
const stackName = "PawlScenarios";
const context = {
  images: JSON.stringify(offers.images),
  instanceTypes: offers.instanceTypes.join(","),
  maxVcpus: String(offers.maxVcpus),
  prices: JSON.stringify(prices),
};

let before: string[];
let metadata: MetadataServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let places: Places;
let notices: Notices;
/** What was played by now. */
const over: Played[] = [];

beforeAll(async () => {
  before = await cloud.account();
  metadata = await spotInstance();
  folder = await temporaryFolder();
  const outputs = await cloud.deploy(stackName, context);
  notices = await listenTo(cloud.endpoint, await handOverSoon());
  places = {
    cloud,
    outputs,
    metadata,
    deployAgain: async () => {
      await cloud.deploy(stackName, { ...context, sharedMemory: "2GiB" });
      await handOverSoon();
    },
    stack: await openStore(`s3://${outputs[stackOutputs.bucket]}`),
    folder: await openFolderStore(join(folder.path, "store")),
  };
});

afterAll(async () => {
  await metadata.stop();
  await folder[Symbol.asyncDispose]();
});

/**
 * Gives the functions the limit that the scenarios have, which is nothing that a stack's context can say. Returns the ARN of the
 * topic that they tell people by.
 */
async function handOverSoon(): Promise<string> {
  const lambda = new LambdaClient();
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand({ MaxItems: 50 }));
  const topics: string[] = [];
  for (const { FunctionName, Environment } of Functions) {
    const given = Environment?.Variables;
    if (given?.[functionVariables.name] !== stackName) continue;
    topics.push(given[functionVariables.topic] ?? "");
    const Variables = { ...given, PAWL_TURNS: String(turnsPerExecution) };
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  }
  lambda.destroy();
  return topics.find((topic) => topic !== "") ?? "";
}

const expected = (run: string): string => join(import.meta.dirname, "expected", `${run}.txt`);

const plays = (scenario: Scenario): void =>
  it(scenario.name, async ({ expect }) => {
    const all = await play(scenario, emulatedWorld(places));
    if (scenario.amongItsLike !== undefined) expectAmongItsLike(scenario.amongItsLike, all);
    for (const played of all) {
      over.push(played);
      expectEnd(played);
      if (played.journal.length === 0) continue;
      await expect(`${comparable(played.journal).join("\n")}\n`).toMatchFileSnapshot(
        expected(played.line.run),
      );
    }
  });

describe("on emulated AWS, alone", () => {
  for (const scenario of scenarios) if (scenario.alone === true) plays(scenario);

  it("an attempt of the run that was deployed over is a job of the new definition, the one before of the old", async () => {
    const jobs = (await cloud.batch.jobs()).filter(({ jobName }) => jobName.startsWith("redeployed-1-"));
    const revisions = jobs.map(({ jobDefinition }) => Number(String(jobDefinition).split(":").at(-1)));
    expect(revisions).toHaveLength(2);
    expect(revisions[1]).toBeGreaterThan(revisions[0] ?? 0);
  });
});

describe.concurrent("on emulated AWS, at once", () => {
  for (const scenario of scenarios) if (scenario.alone !== true) plays(scenario);
});

/** How a run came to rest, each time that it did on the stack, as people are told of it. */
const rests = ({ line: { run }, journal }: Played): string[] =>
  journal
    .filter(({ decision, state: { driver } }) => atRest.has(decision.kind) && driver.id.startsWith("arn:"))
    .map(({ state }) => `Pawl: run ${run} is ${resting(state)}`);
const atRest: ReadonlySet<string> = new Set(["finished", "gave-up", "stopped", "swept"]);

/**
 * A stack that was deployed over leaves one revision of each job definition, since attempts of then may still be submitted; on AWS
 * too, where it costs nothing. Gives the definitions' names behind the stack's.
 */
async function deregisterOthers(): Promise<string[]> {
  const batch = new BatchClient();
  const { jobDefinitions = [] } = await batch.send(new DescribeJobDefinitionsCommand({ status: "ACTIVE" }));
  const names: string[] = [];
  for (const { jobDefinitionName = "", jobDefinitionArn } of jobDefinitions) {
    if (!jobDefinitionName.startsWith(`${stackName}-`)) continue;
    names.push(jobDefinitionName.slice(stackName.length + 1));
    await batch.send(new DeregisterJobDefinitionCommand({ jobDefinition: jobDefinitionArn }));
  }
  batch.destroy();
  return names.sort();
}

describe("all of them", () => {
  it("are told of once each time that a run ends, stops or is interrupted", async () => {
    const told = over.flatMap(rests).sort();
    expect(told.length).toBeGreaterThan(0);
    await expect
      .poll(async () => (await notices.subjects()).sort(), { timeout: 60_000, interval: 500 })
      .toEqual(told);
    await notices.close();
  });

  it("leave in the bucket what is a run's, and the code once", async () => {
    const runs = new Set(over.filter(({ journal }) => journal.length > 0).map(({ line }) => line.run));
    const code: string[] = [];
    for await (const { key } of places.stack.list("")) {
      const [kind = "", run = ""] = key.split("/");
      if (kind === "code") code.push(key);
      else if (key !== restingKey) expect([...runs], key).toContain(run.replace(/\.json$/, ""));
    }
    expect(code).toEqual([(await packCode(trainerFolder)).key]);
  });

  it("leave nothing in the account that was not there", async () => {
    await cloud.destroy(stackName);
    await cloud.removeBucket(places.outputs[stackOutputs.bucket] ?? "");
    expect(await deregisterOthers()).toEqual(["default-cpu", "default-gpu"]);
    // Where assets are put, as `cdk bootstrap` makes it.
    const assets = `bucket cdk-hnb659fds-assets-${account}-${region}`;
    const without = (content: readonly string[]) => content.filter((each) => each !== assets);
    expect(without(await cloud.account())).toEqual(without(before));
  });
});
