// A trainer that does nothing but say when each epoch was handed to it, and how long each of its calls took.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { epochs } from "pawl/trainer";

const moments = [];
for await (const epoch of epochs()) {
  const begun = performance.now();
  await epoch.report({ loss: 1 / epoch.number });
  const reported = performance.now();
  await epoch.checkpoint((folder) => writeFileSync(join(folder, "state.json"), String(epoch.number)));
  moments.push({ begun, reported, saved: performance.now() });
}
writeFileSync(process.env.BENCH_MOMENTS, JSON.stringify(moments));
