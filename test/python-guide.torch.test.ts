import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readBlocks } from "../scripts/docs-commands.ts";
import { outcome, trainAlone } from "./killed-run.ts";
import { root, temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { environmentWithFrameworks } from "./python-with-torch.ts";

const blocks = readBlocks(readFileSync(join(root, "docs", "python.md"), "utf8"));
const jobs = blocks.flatMap(({ file }) => (file?.endsWith("/pawl.yaml") ? [dirname(file)] : []));
const env = environmentWithFrameworks();
const hasLightning = spawnSync("python3", ["-c", "import lightning"], { env }).status === 0;

const hasTorchrun =
  spawnSync("python3", ["-c", "import torch; assert int(torch.__version__.split('.')[0]) >= 2"], { env })
    .status === 0;
const torchrun = "-m, torch.distributed.run, --standalone, --nproc_per_node=2";
const workers = join(root, "test", "fixtures", "torch", "run-workers.py");

describe("the guide for Python", () => {
  it("has a job for each way", () => {
    expect(jobs).toEqual([
      "average",
      "norms",
      "with-torch",
      "with-torchrun",
      "with-lightning",
      "with-transformers",
    ]);
  });

  it.each(jobs)("trains %s as it stands", async (job) => {
    await using folder = await temporaryFolder();
    for (const { file, text } of blocks) {
      if (file === undefined || dirname(file) !== job) continue;
      const path = join(folder.path, file);
      await mkdir(dirname(path), { recursive: true });
      // The same under its older name.
      const known = hasLightning
        ? text
        : text.replace("import lightning\n", "import pytorch_lightning as lightning\n");
      await writeFile(path, hasTorchrun ? known : known.replace(torchrun, workers));
    }
    const trained = {
      job: join(folder.path, job, "pawl.yaml"),
      store: join(folder.path, "store"),
      run: `${job}-1`,
      env,
    };
    await trainAlone(trained);
    const { status, epochs, files } = await outcome(trained);
    expect(status).toBe("finished");
    expect(epochs?.map(({ epoch }) => epoch)).toEqual(upTo(4));
    expect(files?.length).toBeGreaterThan(0);
  });
});
