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

describe("the guide for Python", () => {
  it("has a job for each way", () => {
    expect(jobs).toEqual(["average", "with-torch", "with-lightning", "with-transformers"]);
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
      await writeFile(path, known);
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
