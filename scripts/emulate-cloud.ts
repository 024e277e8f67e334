// The emulated cloud for a person: LocalStack and its Batch, until Ctrl-C. Prints what a shell needs to speak to it.
//
//   npm run emulate:cloud
import { startCloudServers } from "../infra-test/servers/cloud-servers.ts";

const servers = await startCloudServers();
const leave = () => void servers.stop().then(() => process.exit(0));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, leave);
const { PAWL_TEST_LOCALSTACK = "", ...env } = servers.env;
for (const [name, value] of Object.entries({
  ...env,
  PAWL_TEST_LOCALSTACK,
  AWS_ENDPOINT_URL: PAWL_TEST_LOCALSTACK,
}))
  console.log(`export ${name}=${value}`);
