// Lambda's runtime for Node: loads the handler, then answers one request after the other. Lines of JSON on two pipes.
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const readline = require("node:readline");
const { pathToFileURL } = require("node:url");

// A socket, which does not keep a process from its exit as a file's pending read does.
const requests = new net.Socket({ fd: Number(process.argv[2]), readable: true, writable: false });
const results = Number(process.argv[3]);
const send = (message) => fs.writeSync(results, `${JSON.stringify(message)}\n`);

const describe = (error, fallback) =>
  JSON.stringify({
    errorType: error?.name ?? fallback,
    errorMessage: error?.message ?? String(error),
    trace: String(error?.stack ?? "").split("\n"),
  });

async function load() {
  const [, file, name] = /^(.*)\.([^.]+)$/.exec(process.env._HANDLER) ?? [];
  const base = path.resolve(process.env.LAMBDA_TASK_ROOT, file);
  const found = [".mjs", ".js", ".cjs"].map((end) => base + end).find((each) => fs.existsSync(each));
  if (found === undefined) throw new Error(`Cannot find module '${file}'`);
  const handler = (await import(pathToFileURL(found)))[name];
  if (typeof handler !== "function") throw new Error(`${process.env._HANDLER} is undefined or not exported`);
  return handler;
}

async function main() {
  let handler;
  try {
    handler = await load();
  } catch (error) {
    console.error(error);
    send({ error: true, body: describe(error, "Runtime.ImportModuleError") });
    return;
  }
  send({ ready: true });
  for await (const line of readline.createInterface({ input: requests })) {
    const request = JSON.parse(line);
    const end = Date.now() + request.timeoutMs;
    process.env._X_AMZN_TRACE_ID = request.trace ?? "";
    const context = {
      awsRequestId: request.id,
      invokedFunctionArn: request.arn,
      functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
      memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
      getRemainingTimeInMillis: () => end - Date.now(),
    };
    try {
      const value = await handler(JSON.parse(request.payload || "null"), context);
      send({ error: false, body: JSON.stringify(value ?? null) });
    } catch (error) {
      console.error(error);
      send({ error: true, body: describe(error, "Error") });
    }
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
