import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalstack } from "./localstack.ts";
import type { Server } from "./server-process.ts";
import { startVersitygw } from "./versitygw.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const credentials: Credentials = { accessKeyId: "pawl", secretAccessKey: "pawl-secret" };

export interface S3Servers {
  /** What the tests are told: where the servers are, and with what credentials. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Installs what is missing, and starts both servers over fresh, empty folders. */
export async function startS3Servers(): Promise<S3Servers> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-servers-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const servers: Server[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const start = async (name: string, begin: (folder: string) => Promise<Server>) => {
    const own = join(folder, name);
    await mkdir(own);
    const server = await begin(own);
    servers.push(server);
    console.error(`${name} answers at ${server.address}`);
    return server;
  };
  try {
    const versitygw = await start("versitygw", (own) => startVersitygw(own, credentials));
    const localstack = await start("localstack", startLocalstack);
    const env = {
      PAWL_TEST_LOCALSTACK: localstack.address,
      PAWL_TEST_VERSITYGW: versitygw.address,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: "us-east-1",
    };
    return { env, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
