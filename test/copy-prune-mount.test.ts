import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pawl, root } from "./pawl.ts";
import { countProject, expectPlainWords, modelEpochs, type Project, upTo } from "./projects.ts";

const prelude = `
set -u
pawl() { "$NODE" "$MAIN" "$@"; echo "exit $?"; }
mount -t tmpfs -o size=4m none store || exit 99
`;

/** Runs `script` where the project's folder `store` is a small file system of its own, which ends with it. */
async function withMount({ path }: Project, script: string) {
  await mkdir(join(path, "store"));
  const env = { NO_COLOR: "1", NODE: process.execPath, MAIN: join(root, "cli", "main.ts") };
  return await promisify(execFile)("unshare", ["-rm", "sh", "-c", prelude + script], {
    cwd: path,
    env: { ...process.env, ...env },
  });
}

const exits = (stdout: string): number[] =>
  [...stdout.matchAll(/^exit (\d+)$/gm)].map(([, code]) => Number(code));

const litter =
  "mkdir store/checkpoints/count-1/1-1 && echo 'epoch 1' > store/checkpoints/count-1/1-1/model.txt";
const fill = "head -c 100000000 /dev/zero > store/filler 2>/dev/null";

async function expectWhole({ path }: Project, store: string): Promise<void> {
  const pulled = await pawl(["pull", "count-1", "--store", store, "--to", "model"], { cwd: path });
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(await modelEpochs(join(path, "model"))).toEqual(upTo(6));
}

describe("a disk that is full", () => {
  it("is pruned all the same", async () => {
    await using folder = await countProject();
    const script = `pawl train --store store; ${litter}; ${fill}; pawl prune --yes --store store; ls store/checkpoints/count-1; cp -a store/journal store/checkpoints .`;
    const { stdout, stderr } = await withMount(folder, script);
    expect(exits(stdout), stderr).toEqual([0, 0]);
    expect(stdout).toContain("freed 8 B in 1 object");
    expect(stdout).toMatch(/^4-1\n5-1\n6-1$/m);
    await expectWhole(folder, ".");
  });

  it.each([
    ["is full", fill],
    ["is read-only", "mount -o remount,ro none store"],
  ])("or one that %s is copied from, and it is said that nobody is kept out", async (_, spoil) => {
    await using folder = await countProject();
    const script = `pawl train --store store; ${spoil}; pawl copy count-1 --from store --to there`;
    const { stdout, stderr } = await withMount(folder, script);
    expect(exits(stdout), stderr).toEqual([0, 0]);
    expect(stderr).toContain("cannot be written to, so nobody is kept from training count-1 there");
    await expectWhole(folder, "there");
  });

  it("is told in one line where it is the destination, and the copy goes on once there is room", async () => {
    await using folder = await countProject();
    const script = `pawl train --store here; ${fill}; pawl copy count-1 --from here --to store; rm store/filler; pawl copy count-1 --from here --to store; cp -a store there`;
    const { stdout, stderr } = await withMount(folder, script);
    expect(exits(stdout), stderr).toEqual([0, 1, 0]);
    expectPlainWords({ code: 0, signal: null, stdout, stderr });
    expect(stderr).toMatch(/^error: .*there is no space left/m);
    await expectWhole(folder, "there");
  });
});
