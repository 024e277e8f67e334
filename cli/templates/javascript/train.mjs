// Learns to tell two half moons apart, in plain JavaScript. Put your own data and model in their place. What matters to
// Pawl is the end of this file: take up what was restored, train the epochs that it gives from where each goes on, say at
// each step how far it is, report how it went, and save.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { epochs, restored, run } from "pawl/trainer";

const hiddenUnits = 16;
const learningRate = 0.2;
const momentum = 0.9;

/** Numbers from 0 to 1 that look random and follow from `seed` (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Points of two half moons, with the moon's number; the same each time, since they are the data. */
function makePoints(count) {
  const draw = randomFrom(1);
  const noise = () => (draw() + draw() + draw() - 1.5) * 0.2;
  return Array.from({ length: count }, (_, index) => {
    const moon = index % 2;
    const angle = draw() * Math.PI;
    const [x, y] =
      moon === 0 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
    return { x: x + noise(), y: y + noise(), moon };
  });
}

/** A network of 2 inputs, some hidden units and 1 output, trained by gradient descent with momentum. */
class Model {
  constructor(seed) {
    const draw = randomFrom(seed);
    // Four for each hidden unit (from x, from y, bias, to the output), then the output's bias.
    this.weights = Array.from({ length: 4 * hiddenUnits + 1 }, () => draw() * 2 - 1);
    this.velocities = this.weights.map(() => 0);
    this.loss = 0; // summed up over the epoch so far
  }

  forward({ x, y }) {
    const w = this.weights;
    const hidden = [];
    let score = w[4 * hiddenUnits];
    for (let i = 0; i < hiddenUnits; i++) {
      hidden[i] = Math.tanh(w[4 * i] * x + w[4 * i + 1] * y + w[4 * i + 2]);
      score += w[4 * i + 3] * hidden[i];
    }
    return { hidden, guess: 1 / (1 + Math.exp(-score)) };
  }

  /** One step of the optimizer. */
  step(batch, rate) {
    const gradient = this.weights.map(() => 0);
    for (const point of batch) {
      const { hidden, guess } = this.forward(point);
      this.loss -= Math.log(Math.max(point.moon === 1 ? guess : 1 - guess, 1e-12));
      const error = guess - point.moon;
      gradient[4 * hiddenUnits] += error;
      hidden.forEach((unit, i) => {
        const back = error * this.weights[4 * i + 3] * (1 - unit * unit);
        gradient[4 * i] += back * point.x;
        gradient[4 * i + 1] += back * point.y;
        gradient[4 * i + 2] += back;
        gradient[4 * i + 3] += error * unit;
      });
    }
    gradient.forEach((slope, i) => {
      this.velocities[i] = momentum * this.velocities[i] - (rate * slope) / batch.length;
      this.weights[i] += this.velocities[i];
    });
  }

  accuracy(points) {
    const right = points.filter((point) => this.forward(point).guess > 0.5 === (point.moon === 1));
    return right.length / points.length;
  }

  // All that training goes on from, in the middle of an epoch too: with less it would go on otherwise than if it had not
  // stopped.
  save(folder) {
    writeFileSync(join(folder, "model.json"), JSON.stringify(this));
  }

  load(folder) {
    Object.assign(this, JSON.parse(readFileSync(join(folder, "model.json"), "utf8")));
  }
}

const points = makePoints(1500);
const train = points.slice(0, 1000);
const test = points.slice(1000);

const model = new Model((await run()).seed);
const kept = await restored(); // the folder of the newest checkpoint; undefined at the very beginning
if (kept !== undefined) model.load(kept);

for await (const epoch of epochs({ save: (folder) => model.save(folder) })) {
  const order = epoch.order(train.length); // shuffled by the run's seed and the epoch: the same after a restart
  const size = epoch.batchSize ?? 32;
  const rate = learningRate * epoch.learningRateScale;
  if (epoch.position === undefined) model.loss = 0; // else it goes on from there, in the middle
  for (let start = epoch.position ?? 0; start < order.length; start += size) {
    const batch = Array.from(order.subarray(start, start + size), (index) => train[index]);
    model.step(batch, rate);
    await epoch.step(start + size);
  }
  const metrics = { loss: model.loss / train.length, accuracy: model.accuracy(test) };
  await epoch.report(metrics, { examples: train.length });
  await epoch.checkpoint();
}
