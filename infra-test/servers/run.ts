// The suites that need servers, without Docker: installs what they need, starts the servers, runs the tests with the servers'
// addresses in their environment, and ends them.
//
//   npm run test:localstack [-- <vitest's own arguments>]   end to end against emulated AWS
//   npm run test:s3 [-- <vitest's own arguments>]           stores in S3, against two servers
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startCloud } from "./cloud-servers.ts";
import { startLocalstack } from "./localstack.ts";
import { credentials, startServers } from "./server-group.ts";
import { startVersitygw } from "./versitygw.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const [suite = "", ...given] = process.argv.slice(2);
if (suite !== "cloud" && suite !== "s3") throw new RangeError(`there is no suite '${suite}': cloud or s3`);

let running: ChildProcess | undefined;
let leaving = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    leaving = true;
    // Whatever has been started by then ends with this process.
    if (running === undefined) process.exit(1);
    else running.kill(signal);
  });
}

const servers = await startServers(async (start) => {
  if (suite === "cloud") return await startCloud(start);
  const versitygw = await start("versitygw", (own) => startVersitygw(own, credentials));
  const localstack = await start("localstack", startLocalstack);
  return { PAWL_TEST_LOCALSTACK: localstack.address, PAWL_TEST_VERSITYGW: versitygw.address };
});
const code = leaving ? 1 : await run();
await servers.stop();
process.exitCode = leaving ? 1 : code;

function run(): Promise<number> {
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "-c", `vitest.${suite}.config.ts`, ...given];
  const tests = spawn(process.execPath, vitest, {
    cwd: root,
    env: { ...process.env, ...servers.env },
    stdio: "inherit",
  });
  running = tests;
  return new Promise((resolve, reject) => {
    tests.once("error", reject);
    tests.once("close", (exitCode) => {
      running = undefined;
      resolve(exitCode ?? 1);
    });
  });
}
