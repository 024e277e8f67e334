import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { epochs, restored, run } from "pawl/trainer";
import { gather, loadDigits } from "./data.mjs";
import { Model, startBackend } from "./model.mjs";

const learningRate = 0.03;

await startBackend();
const { train, test } = loadDigits();
const size = train.labels.length;
const testSet = gather(test, [...test.labels.keys()]);
const folder = await restored();
const model = folder === undefined ? Model.fresh((await run()).seed) : Model.load(folder);
// What the epoch has summed up so far: it is saved too, since a checkpoint may be in the middle of one.
let loss = folder === undefined ? 0 : JSON.parse(readFileSync(join(folder, "loss.json"), "utf8"));

function save(into) {
  model.save(into);
  writeFileSync(join(into, "loss.json"), JSON.stringify(loss));
}

for await (const epoch of epochs({ save, framework: "tensorflow.js 4" })) {
  if (epoch.position === undefined) loss = 0;
  for await (const batch of epoch.batches(size, { default: 32 })) {
    const mean = model.step(train, batch, learningRate * epoch.learningRateScale);
    loss += mean * batch.indices.length;
  }
  const accuracy = model.accuracy(testSet);
  console.log(`epoch ${epoch.number}: loss ${(loss / size).toFixed(4)}, accuracy ${accuracy.toFixed(4)}`);
  await epoch.report({ loss: loss / size, accuracy }, { examples: size });
  await epoch.checkpoint();
}
