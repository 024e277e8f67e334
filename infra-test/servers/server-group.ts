import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "./server-process.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export const credentials: Credentials = { accessKeyId: "pawl", secretAccessKey: "pawl-secret" };
export const region = "us-east-1";

export interface Servers {
  /** What the tests are told: where the servers are, and with what credentials. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts one server more, with a fresh folder of its own. */
export type Start = (name: string, begin: (folder: string) => Promise<Server>) => Promise<Server>;

/** Starts servers in order; all of them end, in the opposite order, with `stop` or with this process. */
export async function startServers(
  begin: (start: Start) => Promise<Record<string, string>>,
): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-servers-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const servers: Server[] = [];
  const stop = async () => {
    for (const server of servers.toReversed()) await server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const start: Start = async (name, beginOne) => {
    const own = join(folder, name);
    await mkdir(own);
    const server = await beginOne(own);
    servers.push(server);
    console.error(`${name} answers at ${server.address}`);
    return server;
  };
  try {
    const env = await begin(start);
    const { accessKeyId, secretAccessKey } = credentials;
    return {
      env: {
        ...env,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_REGION: region,
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
