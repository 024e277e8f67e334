import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { temporaryFolders } from "../../store/testing/temporary-folder.ts";
import { region } from "../servers/server-group.ts";
import { account } from "./assembly.ts";
import { connectCloud } from "./emulated-cloud.ts";
import { zipFolder } from "./zip.ts";

const freshFolder = temporaryFolders();
const cloud = connectCloud();
const client = new LambdaClient({ endpoint: cloud.endpoint, region });
afterAll(() => client.destroy());

/** A function of this code; gives what it answers. */
async function deployed(code: string, more: object = {}) {
  const folder = await freshFolder();
  await writeFile(join(folder, "index.mjs"), code);
  const FunctionName = `f-${Date.now()}`;
  await client.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: `arn:aws:iam::${account}:role/any`,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Code: { ZipFile: zipFolder(folder) },
      ...more,
    }),
  );
  onTestFinished(async () => {
    await client.send(new DeleteFunctionCommand({ FunctionName }));
  });
  await waitUntilFunctionActiveV2({ client, maxWaitTime: 20, minDelay: 0.1 }, { FunctionName });
  return async (payload: unknown) => {
    const {
      FunctionError,
      Payload,
      LogResult = "",
    } = await client.send(
      new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload), LogType: "Tail" }),
    );
    const answer: unknown = JSON.parse(Payload?.transformToString() ?? "null");
    return { FunctionError, answer, log: Buffer.from(LogResult, "base64").toString() };
  };
}

it("is kept warm: what it has loaded stays, and its lines are its own", async () => {
  const invoke = await deployed(`
    let calls = 0;
    export const handler = async (event, { awsRequestId, getRemainingTimeInMillis }) => {
      console.log("called with " + event.word);
      return { calls: ++calls, id: awsRequestId.length, left: getRemainingTimeInMillis() <= 3000 };
    };`);
  expect((await invoke({ word: "one" })).answer).toEqual({ calls: 1, id: 36, left: true });
  const { answer, log } = await invoke({ word: "two" });
  expect(answer).toMatchObject({ calls: 2 });
  expect(log).toContain("called with two");
  expect(log).not.toContain("called with one");
});

it("has the environment that it was deployed with, and nothing of the server's", async () => {
  const invoke = await deployed("export const handler = async () => process.env;", {
    Environment: { Variables: { WORD: "given" } },
  });
  const { answer } = await invoke({});
  expect(answer).toMatchObject({ WORD: "given", AWS_REGION: region, AWS_ENDPOINT_URL: cloud.endpoint });
  expect(Object.keys(Object(answer)).filter((name) => /PAWL|PYTHON|HOME/.test(name))).toEqual([]);
});

it("that throws says what and where", async () => {
  const invoke = await deployed('export const handler = async () => { throw new RangeError("too far"); };');
  expect(await invoke({})).toMatchObject({
    FunctionError: "Unhandled",
    answer: { errorType: "RangeError", errorMessage: "too far", trace: expect.any(Array) },
  });
});

it("that takes too long is killed, and the next call gets a fresh one", async () => {
  const invoke = await deployed(
    `let calls = 0;
     export const handler = async ({ spin }) => {
       calls += 1;
       while (spin);
       return calls;
     };`,
    { Timeout: 5 },
  );
  expect((await invoke({})).answer).toBe(1);
  expect(await invoke({ spin: true })).toMatchObject({
    FunctionError: "Unhandled",
    answer: {
      errorType: "Sandbox.Timedout",
      errorMessage: expect.stringMatching(/Task timed out after 5\.00 seconds$/),
    },
  });
  expect((await invoke({})).answer).toBe(1);
});

it("that exits, or cannot be loaded, says so", async () => {
  const leaving = await deployed("export const handler = async () => process.exit(3);");
  expect(await leaving({})).toMatchObject({
    FunctionError: "Unhandled",
    answer: { errorType: "Runtime.ExitError", errorMessage: expect.stringMatching(/exit status 3$/) },
  });
  const broken = await deployed('import "no-such-package"; export const handler = async () => 1;');
  expect(await broken({})).toMatchObject({
    FunctionError: "Unhandled",
    answer: { errorMessage: expect.stringContaining("no-such-package") },
  });
});
