// A function's process from its start to its first answer: `node invoke.mjs <bundle> [payload]`. JavaScript, so that nothing but
// the bundle is loaded; what it measures goes to stderr, since the bundle's log goes to stdout.
const [bundle, payload] = process.argv.slice(2);
const loading = performance.now();
const { handler } = await import(bundle);
// From the start of the process, Node's own included.
const initMs = performance.now();
const { user, system } = process.cpuUsage();
const measured = { initMs, importMs: initMs - loading, initCpuMs: (user + system) / 1000 };
if (payload !== undefined) {
  await handler(JSON.parse(payload));
  measured.firstMs = performance.now() - initMs;
}
process.stderr.write(`${JSON.stringify(measured)}\n`, () => process.exit(0));
