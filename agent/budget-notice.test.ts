import { describe, expect, it } from "vitest";
import { storeVariant } from "../store/testing/store-variant.ts";
import { scenes } from "./testing/scene.ts";

const scene = scenes();
const spent = { result: "interrupted", message: expect.stringContaining("budgetUsd") };

describe("an attempt that its job's budget pays for no longer", () => {
  it("leaves in the middle of an epoch, and is not told to train on", async () => {
    const it_ = await scene({ command: ["sh", "-c", "sleep 60"], budgetSeconds: 1 });
    await expect(it_.run()).rejects.toMatchObject(spent);
    expect(it_.trainers).toHaveLength(1);
    expect(it_.happened).toEqual(["started"]);
  });

  it("leaves while it still restores: the instance is paid for from the claim on", async () => {
    const it_ = await scene({ command: ["true"], budgetSeconds: 0.2, restore: { "model.txt": "weights" } });
    const { asked } = it_.departure;
    it_.store = storeVariant(it_.store, {
      open: () =>
        new Promise((_, reject) => {
          asked.addEventListener("abort", () => reject(asked.reason), { once: true });
        }),
    });
    await expect(it_.run()).rejects.toMatchObject(spent);
    expect(it_.trainers).toEqual([]);
  });
});
