import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outcome, type Trained, trainAlone, trainKilled } from "./killed-run.ts";
import { root, temporaryFolder } from "./pawl.ts";
import { environmentWithTorch } from "./python-with-torch.ts";

const env = environmentWithTorch();
const folder = join(root, "examples", "pytorch");
const inStore = (store: string): Trained => ({
  job: join(folder, "pawl.yaml"),
  store,
  run: "pytorch-1",
  env,
});

describe("examples/pytorch", () => {
  it("learns to read digits, and ends with the same weights bit by bit when it is killed on the way", async () => {
    await using alone = await temporaryFolder();
    await using killed = await temporaryFolder();
    await trainAlone(inStore(alone.path));
    await trainKilled(inStore(killed.path), { trainer: 1, runner: 2 });
    const [left, right] = [await outcome(inStore(alone.path)), await outcome(inStore(killed.path))];
    expect(left.failures).toBe(0);
    expect(right.failures).toBeGreaterThan(0);
    expect({ ...right, failures: 0 }).toEqual(left);
    expect(left.status).toBe("finished");
    expect(left.files?.map(({ path }) => path)).toEqual(["model.pt", "optimizer.pt", "random.pt", "sums.pt"]);
    expect(left.epochs?.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    expect(left.epochs?.at(-1)?.metrics.accuracy).toBeGreaterThan(0.95);
  }, 600_000);

  it("learns it as well with a batch size that follows the training, and goes on when it is killed on the way", async () => {
    await using store = await temporaryFolder();
    const adaptive = {
      job: join(folder, "adaptive.yaml"),
      store: store.path,
      run: "pytorch-adaptive-1",
      env,
    };
    await trainKilled(adaptive, { trainer: 1, runner: 2 });
    const { status, epochs, failures } = await outcome(adaptive);
    expect(status).toBe("finished");
    expect(failures).toBeGreaterThan(0);
    expect(epochs?.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    expect(epochs?.at(-1)?.metrics.accuracy).toBeGreaterThan(0.93);
  }, 600_000);
});
