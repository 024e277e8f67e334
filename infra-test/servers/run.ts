// The end-to-end suites against emulated AWS and another S3 server, without Docker: installs what they need, starts the
// servers, runs the tests with the servers' addresses in their environment, and ends them.
//
//   npm run test:localstack [-- <vitest's own arguments, for both suites>]
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startCloud } from "./cloud-servers.ts";
import { credentials, startServers } from "./server-group.ts";
import { startVersitygw } from "./versitygw.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const suites = ["vitest.s3.config.ts", "vitest.cloud.config.ts"];
const given = process.argv.slice(2);
// What is named may be in one suite only.
const more = given.length > 0 ? ["--passWithNoTests", ...given] : [];

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
  const versitygw = await start("versitygw", (own) => startVersitygw(own, credentials));
  return { ...(await startCloud(start)), PAWL_TEST_VERSITYGW: versitygw.address };
});
let failed = false;
for (const suite of suites) {
  if (leaving) break;
  const code = await run(suite);
  if (code !== 0) failed = true;
}
await servers.stop();
process.exitCode = failed || leaving ? 1 : 0;

function run(suite: string): Promise<number> {
  const tests = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "-c", suite, ...more], {
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
