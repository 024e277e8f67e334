import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as z from "zod";

export const pixels = 28 * 28;
export const classes = 10;

/** One of each five images is for testing, as in `examples/digits`. */
const testEvery = 5;

/** Images one after the other, each `pixels` long; `labels` has one for each. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** The 10000 images of the `mnist` package: 8000 to train, 2000 to test. */
export async function loadDigits(): Promise<{ train: Digits; test: Digits }> {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist")), "digits");
  const train: { image: Float32Array; label: number }[] = [];
  const test: typeof train = [];
  let count = 0;
  for (let label = 0; label < classes; label += 1) {
    const text = await readFile(join(folder, `${label}.json`), "utf8");
    const values = Float32Array.from(z.object({ data: z.array(z.number()) }).parse(JSON.parse(text)).data);
    for (let start = 0; start < values.length; start += pixels) {
      const set = count % testEvery === 0 ? test : train;
      set.push({ image: values.subarray(start, start + pixels), label });
      count += 1;
    }
  }
  return { train: joined(train), test: joined(test) };
}

function joined(examples: readonly { image: Float32Array; label: number }[]): Digits {
  const images = new Float32Array(examples.length * pixels);
  const labels = new Uint8Array(examples.length);
  examples.forEach(({ image, label }, row) => {
    images.set(image, row * pixels);
    labels[row] = label;
  });
  return { images, labels };
}

/** The images and one-hot labels of `set` at `indices`, one after the other. */
export function gather(
  set: Digits,
  indices: Uint32Array,
): { readonly images: Float32Array; readonly labels: Float32Array } {
  const images = new Float32Array(indices.length * pixels);
  const labels = new Float32Array(indices.length * classes);
  for (let row = 0; row < indices.length; row += 1) {
    const index = indices[row] ?? 0;
    images.set(set.images.subarray(index * pixels, (index + 1) * pixels), row * pixels);
    labels[row * classes + (set.labels[index] ?? 0)] = 1;
  }
  return { images, labels };
}
