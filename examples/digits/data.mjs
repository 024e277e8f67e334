import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export const pixels = 28 * 28;
export const classes = 10;

/** One of each five images is for testing. The split is the same each time. */
const testEvery = 5;

const folder = join(dirname(createRequire(import.meta.url).resolve("mnist")), "digits");

/**
 * The images of the `mnist` package, read from its files: its own interface draws another split at random each time.
 * They come digit by digit, so what trains has to shuffle them.
 */
export function loadDigits() {
  const train = { images: [], labels: [] };
  const test = { images: [], labels: [] };
  let count = 0;
  for (let digit = 0; digit < classes; digit++) {
    const values = Float32Array.from(JSON.parse(readFileSync(join(folder, `${digit}.json`), "utf8")).data);
    for (let start = 0; start < values.length; start += pixels) {
      const set = count++ % testEvery === 0 ? test : train;
      set.images.push(values.subarray(start, start + pixels));
      set.labels.push(digit);
    }
  }
  return { train, test };
}

/** The images and the one-hot labels of `set` at `indices`, laid out one after the other. */
export function gather(set, indices) {
  const images = new Float32Array(indices.length * pixels);
  const labels = new Float32Array(indices.length * classes);
  indices.forEach((index, row) => {
    images.set(set.images[index], row * pixels);
    labels[row * classes + set.labels[index]] = 1;
  });
  return { images, labels };
}
