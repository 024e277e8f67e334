import { join } from "node:path";
import { pathToFileURL } from "node:url";
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
  const addresses = [
    "",
    "a\0b",
    "s3://bucket/prefix",
    "S3://bucket",
    "gs://bucket",
    "http://host/x",
    "file:runs",
    "file://host/x",
    "runs:1",
  ];
  for (const address of addresses) {
    await expect(openStore(address), address).rejects.toMatchObject({
      name: "PawlError",
      code: "STORE_ADDRESS",
      next: expect.stringMatching(/folder/),
      details: { address },
    });
  }
  await expect(openStore("s3://bucket")).rejects.toThrow("S3 stores are not part of this version");
});
