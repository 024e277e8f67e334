import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { filesBelow, pawl, type Ran, root } from "./pawl.ts";
import { countProject, expectPlainWords, modelEpochs, upTo } from "./projects.ts";

/**
 * Runs `script` where the folder `.pawl` is mounted so that nobody can write to it: as root of a user namespace, so that
 * it works for everybody. `pawl` in it says what each call ended with.
 */
async function whereStoreIsReadOnly(cwd: string, script: string): Promise<Ran> {
  const prelude = `
    pawl() { "$NODE" "$MAIN" "$@"; echo "exit $?"; }
    mount --bind .pawl .pawl && mount -o remount,ro,bind .pawl || exit 99
    ! touch .pawl/file 2>/dev/null || exit 98
  `;
  const env = { ...process.env, NO_COLOR: "1", NODE: process.execPath, MAIN: join(root, "cli", "main.ts") };
  const child = spawn("unshare", ["-rm", "sh", "-c", prelude + script], { cwd, env });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...said }));
  });
}

it("a store that cannot be written can be looked at by all commands that only read", async () => {
  await using folder = await countProject();
  expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
  const before = (await filesBelow(join(folder.path, ".pawl"))).sort();
  const script = `
    pawl runs; pawl show count-1; pawl replay count-1; pawl logs count-1 --follow; pawl watch count-1; pawl checkpoints count-1
    pawl pull count-1 --to model; pawl complete -- show c; pawl resume count-1`;
  const ran = await whereStoreIsReadOnly(folder.path, script);
  expect(ran.code, `a folder cannot be mounted here (user namespaces are needed): ${ran.stderr}`).toBe(0);
  expectPlainWords(ran);
  expect([...ran.stdout.matchAll(/^exit (\d+)$/gm)].map(([, code]) => code)).toEqual([
    ...Array.from({ length: 8 }, () => "0"),
    "1",
  ]);
  expect(ran.stdout).toMatch(/^count-1\t\n:4\nexit 0$/m);
  expect(ran.stderr).toMatch(/cannot write to the folder .*read-only.*\nAllow this user to write there/);
  expect(await modelEpochs(join(folder.path, "model"))).toEqual(upTo(6));
  expect((await filesBelow(join(folder.path, ".pawl"))).sort()).toEqual(before);
});

it("a store that is not there is made by none of them", async () => {
  await using folder = await countProject();
  const before = (await filesBelow(folder.path)).sort();
  const commands = [["show"], ["replay"], ["logs"], ["watch"], ["checkpoints"], ["pull", "--to", "model"]];
  for (const [command = "", ...more] of commands) {
    const ran = await pawl([command, "count-1", ...more], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 102, stdout: "" });
    expect(ran.stderr).toContain("there is no run count-1: there is no store at ");
  }
  expect((await filesBelow(folder.path)).sort()).toEqual(before);
});
