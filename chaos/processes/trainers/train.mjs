// Trains a few letters: what it ends with follows from the seed, the order of the examples and the sizes of the steps alone.
// It notes each example that it has seen, so that the last checkpoint shows which were trained when.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { epochs, restored } from "pawl/trainer";

const size = 48;
// Slow, so that something can befall it, until there is this file.
const stepSeconds = Number(process.env.STEP_SECONDS ?? "0");
const until = process.env.UNTIL ?? "";
const memory = Number(process.env.MEMORY ?? "64");
const digest = (text) => createHash("sha1").update(text).digest("hex");

const folder = await restored();
let [weights, seen] =
  folder === undefined ? ["begin", []] : JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));

function save(into) {
  writeFileSync(join(into, "model.json"), JSON.stringify([weights, seen]));
  mkdirSync(join(into, "data"));
  writeFileSync(join(into, "data", "constant.bin"), Buffer.alloc(16_384, "constant"));
}

const gradient = (example) => Number.parseInt(digest(`${weights}:${example}`).slice(0, 8), 16);

for await (const epoch of epochs({ save })) {
  let taken = epoch.position ?? 0;
  if (taken === 0) seen.push([]);
  const order = [...epoch.order(size)];
  const micro = epoch.microBatchSize;
  if (micro > memory) {
    console.error("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.");
    process.exit(1);
  }
  while (taken < size) {
    const batch = order.slice(taken, taken + micro * epoch.accumulation);
    let total = 0;
    for (let at = 0; at < batch.length; at += micro)
      for (const example of batch.slice(at, at + micro)) total += gradient(example);
    if (stepSeconds > 0 && !existsSync(until)) await sleep(stepSeconds * 1000);
    weights = digest(`${weights}:${total}:${epoch.learningRateScale}`);
    seen.at(-1).push(...batch);
    taken += batch.length;
    await epoch.step(taken);
  }
  await epoch.report({ loss: Number.parseInt(weights.slice(0, 8), 16) / 2 ** 32 }, { examples: size });
  await epoch.checkpoint();
}
