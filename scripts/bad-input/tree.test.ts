import { chmod, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { project } from "../../test/projects.ts";
import { difference, tree } from "./tree.ts";

it("a folder's tree shows every kind of change, and none where nothing changes", async () => {
  await using folder = await project({ same: "x", content: "x", mode: "x", gone: "x", "sub/inner": "x" });
  const at = (name: string) => join(folder.path, name);
  await symlink("same", at("link"));
  const before = await tree(folder.path);
  expect(difference(before, await tree(folder.path))).toEqual([]);
  await writeFile(at("content"), "y");
  await chmod(at("mode"), 0o600);
  await rename(at("gone"), at("sub/moved"));
  await symlink("content", at("link2"));
  await rename(at("link2"), at("link"));
  await mkdir(at("empty"));
  expect(difference(before, await tree(folder.path)).sort()).toEqual([
    "content has changed",
    "empty is new",
    "gone is gone",
    "link has changed",
    "mode has changed",
    "sub/moved is new",
  ]);
});
