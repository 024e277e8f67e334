import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { command, installation } from "../../scripts/installed.ts";
import type { Credentials } from "./server-group.ts";
import { freePort, type Server, startServer } from "./server-process.ts";

/** A gateway in Go from S3 to a folder: small, quick to start, and strict about conditions and checksums. */
const source = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

const install = (): Promise<string> =>
  installation("versitygw", [source], async (folder) => {
    try {
      await command("go", ["install", source], { env: { GOBIN: folder, GOFLAGS: "-mod=mod" } });
    } catch (cause) {
      throw new Error("versitygw is built with Go 1.24 or later; see that 'go' is on the PATH", { cause });
    }
  });

export async function startVersitygw(folder: string, credentials: Credentials): Promise<Server> {
  const program = join(await install(), "versitygw");
  const [data, sidecar] = [join(folder, "data"), join(folder, "sidecar")];
  for (const each of [data, sidecar]) await mkdir(each, { recursive: true });
  const port = await freePort();
  return await startServer({
    name: "versitygw",
    program,
    args: [
      "--quiet",
      "--port",
      `127.0.0.1:${port}`,
      "--health",
      "/health",
      "posix",
      "--sidecar",
      sidecar,
      data,
    ],
    env: {
      PATH: process.env.PATH,
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
    folder,
    port,
    health: "/health",
  });
}
