import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { openStore } from "./open-store.ts";
import { temporaryFolders } from "./testing/temporary-folder.ts";

const freshFolder = temporaryFolders();

it("opens a folder by its path or its file: URL", async () => {
  const folder = join(await freshFolder(), "a store");
  const store = await openStore(folder);
  expect(store.address).toBe(folder);
  await store.create("k", "x");
  const again = await openStore(pathToFileURL(folder).href);
  expect(again.address).toBe(folder);
  expect(await again.has("k")).toBe(true);
});

it("refuses what names no folder, with what to write instead", async () => {
  const addresses = ["", "a\0b", "gs://bucket", "http://host/x", "file:runs", "file://host/x", "runs:1"];
  for (const address of addresses) {
    await expect(openStore(address), address).rejects.toMatchObject({
      name: "PawlError",
      code: "STORE_ADDRESS",
      next: expect.stringMatching(/folder/),
      details: { address },
    });
  }
});

it("refuses what names no bucket, with what to write instead", async () => {
  for (const address of ["s3:", "s3://", "S3://B", "s3://bucket//x"]) {
    await expect(openStore(address), address).rejects.toMatchObject({
      name: "PawlError",
      code: "STORE_ADDRESS",
      next: expect.stringMatching(/s3:\/\/bucket/),
      details: { address },
    });
  }
});

it("loads nothing of AWS for a folder", async () => {
  const folder = await freshFolder();
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { openStore } = await import(${JSON.stringify(new URL("open-store.ts", import.meta.url).href)});
    await openStore(${JSON.stringify(folder)});
    console.log(loaded.filter((url) => /aws|smithy|s3/.test(url)).length, loaded.length > 3);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  expect(stdout.trim()).toBe("0 true");
});
