// A trainer that does nothing: what remains is what Pawl costs.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { epochs } from "pawl/trainer";

for await (const epoch of epochs()) {
  await epoch.report({ loss: 1 / epoch.number });
  await epoch.checkpoint((folder) =>
    writeFile(join(folder, "state.json"), JSON.stringify({ epoch: epoch.number })),
  );
}
