import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installation as pawl } from "../../installation.ts";
import { command, installation } from "../../scripts/installed.ts";
import { python313 } from "./python.ts";
import { freePort, type Server, startServer } from "./server-process.ts";

/** What of LocalStack is ours: found by Python as it lies here, so that a change of it installs nothing. */
const plugin = fileURLToPath(new URL("localstack", import.meta.url));

const install = (): Promise<string> => {
  const requirements = join(plugin, "requirements.txt");
  return installation("localstack", [readFileSync(requirements, "utf8")], async (folder) => {
    await command(await python313(), ["-m", "venv", folder]);
    const pip = ["-m", "pip", "--disable-pip-version-check", "install", "-q", "-r", requirements];
    await command(join(folder, "bin", "python"), pip);
  });
};

/** The folder of its programs, the AWS CLI and a Python with boto3 among them. */
export const localstackPrograms = async (): Promise<string> => join(await install(), "bin");

export interface LocalstackOptions {
  readonly port?: number;
  /** The address of the server that its Batch is. */
  readonly batch?: string;
}

/** LocalStack without Docker, as a process of this machine that listens on the loopback interface only. */
export async function startLocalstack(folder: string, options: LocalstackOptions = {}): Promise<Server> {
  const python = join(await install(), "bin", "python");
  const [files, temporary] = [join(folder, "files"), join(folder, "tmp")];
  for (const each of [files, temporary]) await mkdir(each, { recursive: true });
  const { port = await freePort(), batch = "" } = options;
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
      // Our plug-ins, which leave nothing beside their sources.
      PYTHONPATH: plugin,
      PYTHONDONTWRITEBYTECODE: "1",
      PAWL_BATCH: batch,
      PAWL_NODE: process.execPath,
      PAWL_COMPILE_CACHE: pawl.compileCache,
      LAMBDA_RUNTIME_EXECUTOR: "process",
      LAMBDA_KEEPALIVE_MS: "600000",
      // Its own list of what it knows lacks what our plug-ins know; these refuse the rest.
      CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: "1",
    },
    folder,
    port,
    health: "/_localstack/health",
  });
}
