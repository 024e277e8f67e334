import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outcome, type Trained, trainAlone, trainKilled } from "./killed-run.ts";
import { root, temporaryFolder } from "./pawl.ts";
import { upTo } from "./projects.ts";
import { environmentWithFrameworks } from "./python-with-torch.ts";

const env = environmentWithFrameworks();

const frameworks = [
  { name: "lightning", metrics: ["weights", "train_loss"] },
  { name: "transformers", metrics: ["eval_weights", "loss"] },
];

describe.each(frameworks)("the callback for the real $name", ({ name, metrics }) => {
  const inStore = (store: string): Trained => ({
    job: join(root, "test", "fixtures", name, "pawl.yaml"),
    store,
    run: `${name}-1`,
    env,
  });

  it("trains each epoch once, and as if nothing had happened when it is killed on the way", async () => {
    await using alone = await temporaryFolder();
    await using killed = await temporaryFolder();
    await trainAlone(inStore(alone.path));
    await trainKilled(inStore(killed.path), { trainer: 2, runner: 5 });
    const [left, right] = [await outcome(inStore(alone.path)), await outcome(inStore(killed.path))];
    expect(left.failures).toBe(0);
    expect(right.failures).toBe(2);
    expect(left.status).toBe("finished");
    expect(left.epochs?.map(({ epoch }) => epoch)).toEqual(upTo(8));
    for (const metric of metrics) expect(left.epochs?.at(-1)?.metrics[metric]).toEqual(expect.any(Number));
    // Their files also hold how often training was begun, or times. The sum of the weights is among the metrics.
    const paths = left.files?.map(({ path }) => path);
    expect(right.files?.map(({ path }) => path)).toEqual(paths);
    expect({ ...right, failures: 0, files: left.files }).toEqual(left);
  });
});
