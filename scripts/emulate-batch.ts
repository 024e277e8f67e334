// AWS Batch's API on this machine, for anybody who tests what submits jobs: each is a process here.
//
//   npm run emulate:batch -- --port 4600 [--mount /opt/pawl=/abs/folder]… [--env NAME[=value]]…
//                            [--max-vcpus N] [--start-delay MS] [--stop-delay MS] [--account ID] [--region NAME]
import { isAbsolute, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Mount } from "../local/batch/mounts.ts";
import { startBatchServer } from "../local/batch/server.ts";

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

const { values } = (() => {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "4600" },
        mount: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
        "max-vcpus": { type: "string" },
        "start-delay": { type: "string", default: "0" },
        "stop-delay": { type: "string", default: "30000" },
        account: { type: "string", default: "000000000000" },
        region: { type: "string", default: "us-east-1" },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
})();

function count(option: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  return fail(`--${option} must be a whole number, not '${text}'`);
}

function mount(text: string): Mount {
  const [container = "", host = ""] = text.split("=", 2);
  if (!isAbsolute(container) || host === "")
    fail(`--mount must be <absolute path in containers>=<folder>, not '${text}'`);
  return { container: container.replace(/\/+$/, ""), host: resolve(host) };
}

function variable(text: string): [string, string][] {
  const at = text.indexOf("=");
  if (at > 0) return [[text.slice(0, at), text.slice(at + 1)]];
  const value = process.env[text];
  return value === undefined ? [] : [[text, value]];
}

const maxVcpus = values["max-vcpus"];
const server = await startBatchServer({
  port: count("port", values.port),
  mounts: values.mount.map(mount),
  environment: Object.fromEntries(values.env.flatMap(variable)),
  ...(maxVcpus === undefined ? {} : { maxVcpus: count("max-vcpus", maxVcpus) }),
  startDelay: count("start-delay", values["start-delay"]),
  stopDelay: count("stop-delay", values["stop-delay"]),
  account: { id: values.account, region: values.region },
}).catch((error: unknown) => fail(`Batch cannot listen on port ${values.port}: ${String(error)}`));
console.log(`Batch answers at ${server.address}`);
const leave = () => void server.close().then(() => process.exit(0));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, leave);
