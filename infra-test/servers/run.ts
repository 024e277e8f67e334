// The end-to-end suite against emulated AWS and another S3 server, without Docker: installs what it needs, starts the
// servers, runs the tests with the servers' addresses in their environment, and ends them.
//
//   npm run test:localstack [-- <vitest's own arguments>]
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startS3Servers } from "./s3-servers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const given = process.argv.slice(2);
const vitest = ["node_modules/vitest/vitest.mjs", "run", "-c", "vitest.s3.config.ts", ...given];

// Whatever has been started by then ends with this process.
const leave = () => process.exit(1);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, leave);
const servers = await startS3Servers();
const tests = spawn(process.execPath, vitest, {
  cwd: root,
  env: { ...process.env, ...servers.env },
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.off(signal, leave);
  process.on(signal, () => tests.kill(signal));
}
const code = await new Promise<number>((resolve, reject) => {
  tests.once("error", reject);
  tests.once("close", (exitCode) => resolve(exitCode ?? 1));
});
await servers.stop();
process.exitCode = code;
