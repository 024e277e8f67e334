import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeAgentBundle } from "../../cdk/agent-bundle.ts";
import { agentMount, scratchFolder, stopSeconds } from "../../cdk/constructs/container-folders.ts";
import { startLocalstack } from "./localstack.ts";
import { credentials, region, type Servers, type Start, startServers } from "./server-group.ts";
import { freePort, type Server, startServer } from "./server-process.ts";

const emulateBatch = fileURLToPath(new URL("../../scripts/emulate-batch.ts", import.meta.url));

/** The emulated cloud: LocalStack, and the server that is its Batch, on whose "instances" the agent's bundle is. */
export async function startCloud(start: Start): Promise<Record<string, string>> {
  // Each is told where the other is.
  const [localstackPort, batchPort] = [await freePort(), await freePort()];
  const localstack = `http://127.0.0.1:${localstackPort}`;
  const batch = await start("batch", (own) => startBatch(own, batchPort, localstack));
  await start("localstack", (own) => startLocalstack(own, { port: localstackPort, batch: batch.address }));
  return { PAWL_TEST_LOCALSTACK: localstack, PAWL_TEST_BATCH: batch.address };
}

export const startCloudServers = (): Promise<Servers> => startServers(startCloud);

async function startBatch(folder: string, port: number, localstack: string): Promise<Server> {
  const [bundle, scratch] = [join(folder, "agent"), join(folder, "scratch")];
  for (const each of [bundle, scratch]) await mkdir(each);
  writeAgentBundle(bundle);
  const variables = {
    AWS_ENDPOINT_URL: localstack,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: region,
  };
  return await startServer({
    name: "the emulated Batch",
    program: process.execPath,
    args: [
      emulateBatch,
      ...["--port", String(port), "--stop-delay", String(stopSeconds * 1000)],
      ...["--mount", `${agentMount}=${bundle}`, "--mount", `${scratchFolder}=${scratch}`],
      ...Object.entries(variables).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ],
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: process.env.TMPDIR },
    folder,
    port,
    health: "/_pawl/health",
  });
}
