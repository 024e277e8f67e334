import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleHandler, handlerNames, handlersFolder } from "../../cdk/bundle.ts";

export interface Bundle {
  readonly name: string;
  /** The one that is loaded first; what it loads lazily lies beside it. */
  readonly file: string;
  /** Of all its files. */
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** Bundles every function as a deployment does, each into a folder of its own in `folder`. */
export async function bundles(folder: string): Promise<readonly Bundle[]> {
  const made: Bundle[] = [];
  for (const name of handlerNames) {
    const out = join(folder, name);
    await mkdir(out, { recursive: true });
    bundleHandler(handlersFolder, name, out);
    const file = join(out, "index.mjs");
    const paths = (await readdir(out)).map((path) => join(out, path));
    const contents = await Promise.all(paths.map((path) => readFile(path)));
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
    made.push({
      name,
      file,
      bytes: sum(contents.map(({ byteLength }) => byteLength)),
      gzipBytes: sum(contents.map((content) => gzipSync(content).byteLength)),
    });
  }
  return made;
}
