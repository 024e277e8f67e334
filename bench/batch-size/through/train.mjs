// What the benchmark trains in its own process, as a trainer under `pawl train`: by the helper, with an agent, a journal and a
// checkpoint at the end of each epoch. It writes its course into $BENCH_TRACE.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { epochs, observe, run } from "../../../trainer/index.ts";
import { loadDigits } from "../digits.ts";
import { startBackend, TfjsDigits } from "../tfjs.ts";
import { Clock } from "../train.ts";

const evaluateEvery = 1000;
const until = Number(process.env.BENCH_TARGET);

await startBackend();
const digits = await loadDigits();
const { seed } = await run();

/** Compilers and caches are warm in the benchmark's own process too. */
const warm = new TfjsDigits(digits, 0);
for (const size of [16, 32, 64, 128, 256, 512, 32, 64, 128, 256, 512])
  for (let i = 0; i < 20; i += 1)
    warm.step(
      Uint32Array.from({ length: size }, (_, index) => (index * 37) % warm.examples),
      { micro: i % 2 === 0 ? size : size / 2, learningRateScale: 1, norms: i % 2 === 1 },
    );
warm.close();

const learner = new TfjsDigits(digits, seed);
const observed = observe(tf, { optimizer: "SGD" });
const clock = new Clock();
const evaluations = [{ examples: 0, ...clock.spent, accuracy: learner.accuracy() }];
const sizes = [];
let [steps, before] = [0, 0];
let isThere = false;

function save(folder) {
  writeFileSync(join(folder, "steps.json"), JSON.stringify(steps));
}

clock.start();
for await (const epoch of epochs({ save })) {
  let [taken, loss] = [0, 0];
  for await (const batch of epoch.batches(learner.examples)) {
    if (sizes.at(-1)?.size !== epoch.batchSize)
      sizes.push({ examples: before + taken, size: epoch.batchSize });
    for (const indices of batch.micro) {
      const { loss: mean, gradients } = learner.gradients(indices);
      loss += mean * indices.length;
      observed.add(gradients, batch.share(indices));
    }
    const gradients = observed.take();
    learner.apply(gradients, epoch.learningRateScale);
    tf.dispose(gradients);
    taken += batch.indices.length;
    steps += 1;
    const last = evaluations.at(-1).examples;
    if (Math.floor((before + taken) / evaluateEvery) > Math.floor(last / evaluateEvery)) {
      clock.stop();
      const accuracy = learner.accuracy();
      evaluations.push({ examples: before + taken, ...clock.spent, accuracy });
      isThere = accuracy >= until;
      if (isThere) break;
      clock.start();
    }
  }
  before += taken;
  // The job's stop is what ends it.
  await epoch.report({ loss: loss / taken, reached: isThere ? 1 : 0 }, { examples: taken });
  await epoch.checkpoint();
}
clock.stop();
writeFileSync(process.env.BENCH_TRACE, JSON.stringify({ evaluations, spent: clock.spent, steps, sizes }));
