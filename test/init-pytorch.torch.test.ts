import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outcome, type Trained, trainAlone } from "./killed-run.ts";
import { pawl, startPawl, temporaryFolder } from "./pawl.ts";
import { saying } from "./projects.ts";
import { environmentWithTorch } from "./python-with-torch.ts";

const env = environmentWithTorch();

describe("what pawl init --trainer pytorch writes", () => {
  it("learns, and ends with the same weights bit by bit when it is killed on the way", async () => {
    await using folder = await temporaryFolder();
    const ran = await pawl(["init", folder.path, "--trainer", "pytorch", "--name", "moons"]);
    expect(ran.code, ran.stderr).toBe(0);
    const job = join(folder.path, "pawl.yaml");
    // More epochs, so that there is time to kill it.
    const text = await readFile(job, "utf8");
    await writeFile(job, text.replace("epochs: 10", "epochs: 40").replace(/^stop: .*$/m, ""));
    const inStore = (store: string): Trained => ({
      job,
      store: join(folder.path, store),
      run: "moons-1",
      env,
    });
    await trainAlone(inStore("alone"));
    const running = startPawl(["train", job, "--store", inStore("killed").store], { env });
    await saying(running, "epoch 3 is committed");
    running.child.kill("SIGKILL");
    expect((await running.done).signal).toBe("SIGKILL");
    await trainAlone(inStore("killed"));
    const [left, right] = [await outcome(inStore("alone")), await outcome(inStore("killed"))];
    expect(right.failures).toBe(1);
    expect({ ...right, failures: 0 }).toEqual(left);
    expect(left.status).toBe("finished");
    expect(left.epochs?.at(-1)?.metrics.accuracy).toBeGreaterThan(0.95);
  }, 180_000);
});
