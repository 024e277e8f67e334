import { readFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { command, installation } from "../../scripts/installed.ts";
import { python313 } from "./python.ts";
import { freePort, type Server, startServer } from "./server-process.ts";

const plugin = fileURLToPath(new URL("localstack", import.meta.url));

const install = (): Promise<string> => {
  const parts = ["requirements.txt", "pyproject.toml", "pawl_localstack/server.py"];
  const content = parts.map((part) => readFileSync(join(plugin, part), "utf8"));
  return installation("localstack", content, async (folder) => {
    await command(await python313(), ["-m", "venv", folder]);
    const pip = (...args: string[]) =>
      command(join(folder, "bin", "python"), [
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
        ...args,
      ]);
    await pip("-r", join(plugin, "requirements.txt"));
    // From a copy: building leaves files beside what it builds.
    const copy = join(folder, "plugin");
    await cp(plugin, copy, { recursive: true });
    await pip("--no-deps", "--no-build-isolation", copy);
  });
};

/** LocalStack without Docker, as a process of this machine that listens on the loopback interface only. */
export async function startLocalstack(folder: string): Promise<Server> {
  const python = join(await install(), "bin", "python");
  const [files, temporary] = [join(folder, "files"), join(folder, "tmp")];
  for (const each of [files, temporary]) await mkdir(each, { recursive: true });
  const port = await freePort();
  return await startServer({
    name: "LocalStack",
    program: python,
    args: ["-m", "localstack.runtime.main"],
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      TMPDIR: temporary,
      FILESYSTEM_ROOT: files,
      GATEWAY_LISTEN: `127.0.0.1:${port}`,
      GATEWAY_SERVER: "loopback",
      // Without it, in a container, it writes to the system's folders.
      OVERRIDE_IN_DOCKER: "0",
      // Nothing of it asks the network.
      DISABLE_EVENTS: "1",
      SKIP_SSL_CERT_DOWNLOAD: "1",
      DNS_ADDRESS: "0",
    },
    folder,
    port,
    health: "/_localstack/health",
  });
}
