// A trainer that does nothing but report and save.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { epochs } from "pawl/trainer";

for await (const epoch of epochs()) {
  await epoch.report({ loss: 1 / epoch.number });
  await epoch.checkpoint((folder) => writeFileSync(join(folder, "state.json"), String(epoch.number)));
}
