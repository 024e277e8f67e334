import { epochs, restored, run } from "pawl/trainer";
import { gather, loadDigits } from "./data.mjs";
import { Model, startBackend } from "./model.mjs";

const learningRate = 0.03;

await startBackend();
const { train, test } = loadDigits();
const testSet = gather(test, [...test.labels.keys()]);
const folder = await restored();
const model = folder === undefined ? Model.fresh((await run()).seed) : Model.load(folder);

for await (const epoch of epochs()) {
  const batchSize = epoch.batchSize ?? 32;
  const order = epoch.order(train.labels.length);
  let loss = 0;
  for (let start = 0; start < order.length; start += batchSize) {
    const indices = order.subarray(start, start + batchSize);
    loss += model.step(gather(train, indices), learningRate * epoch.learningRateScale) * indices.length;
  }
  const accuracy = model.accuracy(testSet);
  console.log(
    `epoch ${epoch.number}: loss ${(loss / order.length).toFixed(4)}, accuracy ${accuracy.toFixed(4)}`,
  );
  await epoch.report({ loss: loss / order.length, accuracy }, { examples: order.length });
  await epoch.checkpoint((into) => model.save(into), { framework: "tensorflow.js 4" });
}
